package reconcile

import "slices"

const networkChanged = "configuration changed"

// haltForNetworks has what runs on a network that changed stop before that is made anew: a bridge
// stays as it is while something is attached to it.
func (d *differ) haltForNetworks() {
	for i, c := range d.changes {
		if c.verb == Restart && slices.ContainsFunc(d.networksOf(c), d.networkChanges) {
			d.changes[i].verb, d.changes[i].halt = Start, true
		}
	}
}

// networksOf are the networks that a unit is attached to, and those that it will be.
func (d *differ) networksOf(c change) []string {
	names := slices.Clone(c.workload.Networks)
	if current := d.actual.Workloads[c.unit]; current.Bundle != nil {
		for _, attachment := range current.Bundle.Network.Attachments {
			names = append(names, attachment.Network)
		}
	}
	return names
}

// networkChanges reports whether the node has a network otherwise than it is to be.
func (d *differ) networkChanges(name string) bool {
	network, wanted := d.desired.Networks[name]
	current, exists := d.actual.Networks[name]
	return wanted && exists && string(current.Conflist) != string(network.Conflist)
}

// renewNetworks plans that what runs on networks that changed stops, in systemd's order, and then
// the change. Whether that succeeds or not, what was stopped starts again.
func (d *differ) renewNetworks(ordered []change) {
	d.halted = map[string]string{}
	stops := slices.Clone(d.stops)
	for _, c := range slices.Backward(ordered) {
		if !c.halt {
			continue
		}
		d.halted[c.unit] = d.plan.add(Action{
			Verb: Stop, Object: c.workload.Ref.String(), Target: c.unit, Reason: c.why, Needs: d.ready(c),
		})
		stops = append(stops, d.halted[c.unit])
	}
	for _, name := range d.renewals {
		d.renewed = append(d.renewed, d.plan.add(Action{
			Verb: ChangeNetwork, Object: d.desired.Networks[name].Ref.String(), Target: name, Reason: networkChanged,
			Needs: []string{d.fetched["network "+name]}, After: stops,
		}))
	}
}

package reconcile

import (
	"maps"
	"slices"
)

const networkChanged = "configuration changed"

// halt has what runs stop, and start again, where something must happen in between: a bridge stays as
// it is while something is attached to it.
func (d *differ) halt() {
	for i, c := range d.changes {
		if c.verb == Restart && (slices.ContainsFunc(d.networksOf(c), d.networkChanges) || d.needsLate(c)) {
			d.changes[i].verb, d.changes[i].halt = Start, true
		}
	}
}

// stopHalted plans that what is halted stops, in systemd's order.
func (d *differ) stopHalted(ordered []change) {
	d.halted = map[string]string{}
	for _, c := range slices.Backward(ordered) {
		if c.halt {
			d.halted[c.unit] = d.plan.add(Action{
				Verb: Stop, Object: c.workload.Ref.String(), Target: c.unit, Reason: c.why, Needs: d.ready(c),
			})
		}
	}
}

// stopped are the actions that stop units before others start.
func (d *differ) stopped() []string {
	return slices.Concat(d.stops, slices.Sorted(maps.Values(d.halted)))
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

// renewNetworks plans the change of networks, once all that is on them has stopped. Whether that
// succeeds or not, what was stopped starts again.
func (d *differ) renewNetworks() {
	for _, name := range d.renewals {
		d.renewed = append(d.renewed, d.plan.add(Action{
			Verb: ChangeNetwork, Object: d.desired.Networks[name].Ref.String(), Target: name, Reason: networkChanged,
			Needs: []string{d.fetched["network "+name]}, After: d.stopped(),
		}))
	}
}

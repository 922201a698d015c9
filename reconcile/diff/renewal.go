package diff

import (
	"errors"
	"maps"
	"slices"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

const networkChanged = "configuration changed"

// halt has running units stop, and start again, if an action must come in between: a bridge cannot change while interfaces are
// attached to it, and two units cannot exchange things while each has its own.
func (d *differ) halt() {
	d.passOn()
	d.along = map[string][]change{}
	for _, c := range d.changes {
		if c.with != "" {
			root := d.rootOf(c.unit)
			d.along[root] = append(d.along[root], c)
		}
	}
	circle := d.inCircle()
	for i, c := range d.changes {
		swaps := circle[c.workload.Ref] || d.options.Unwatched && d.isGiver(c.unit)
		if c.verb == reconcile.Restart && (swaps || slices.ContainsFunc(d.networksLeft(c.unit), d.networkChanges) || d.needsLate(c)) {
			d.changes[i].verb, d.changes[i].halt = reconcile.Start, true
		}
	}
}

// stopHalted plans the stops of halted units, in systemd's order.
func (d *differ) stopHalted(ordered []change) {
	d.halted = map[string]string{}
	for _, c := range slices.Backward(ordered) {
		if c.halt {
			d.halted[c.unit] = d.plan.Add(reconcile.Action{
				Verb: reconcile.Stop, Object: c.workload.Ref.String(), Target: c.unit, Reason: c.why, Needs: d.ready(c),
			})
		}
	}
}

// stopsOn are the actions that stop units which are attached to a network.
func (d *differ) stopsOn(name string) []string {
	var stops []string
	for _, of := range []map[string]string{d.stops, d.yielded, d.halted} {
		for _, unit := range slices.Sorted(maps.Keys(of)) {
			if slices.Contains(d.networksLeft(unit), name) {
				stops = append(stops, of[unit])
			}
		}
	}
	return stops
}

// networksOf are the networks that a unit is attached to, and those that it will be.
func (d *differ) networksOf(c change) []string {
	names := slices.Clone(c.workload.Networks)
	for b := range d.actual.Workloads[c.unit].Bundles() {
		for _, attachment := range b.Network.Attachments {
			names = append(names, attachment.Network)
		}
	}
	return names
}

// networksLeft are the networks that a unit leaves when it stops, and those that its stop takes along leave.
func (d *differ) networksLeft(unit string) []string {
	names := d.networksOf(change{unit: unit, workload: d.desired.Workload(unit)})
	for _, c := range d.along[unit] {
		names = append(names, d.networksOf(c)...)
	}
	return names
}

// networkChanges reports whether the node has a network otherwise than it is to be.
func (d *differ) networkChanges(name string) bool {
	network, wanted := d.desired.Networks[name]
	current, exists := d.actual.Networks[name]
	return wanted && exists && !bundle.SameNetwork(current.Conflist, network.Conflist)
}

// leaves says which unit is still about to leave a network that changes, though this plan does not stop
// it; "" for none.
func (d *differ) leaves(name string) string {
	for _, unit := range slices.Sorted(maps.Keys(d.actual.Workloads)) {
		current := d.actual.Workloads[unit]
		_, kept := d.kept[unit]
		if !kept && current.Active == names.Deactivating && d.stops[unit] == "" && slices.Contains(d.networksOf(change{unit: unit}), name) {
			return unit + " is stopping"
		}
	}
	return ""
}

// isOwed reports whether davit has to start a unit still. It starts nothing that others are to start, and no job that
// has completed.
func (d *differ) isOwed(unit string, workload reconcile.Workload) bool {
	_, owed := d.options.Owed[unit]
	return owed && d.starts(workload)
}

// renewNetworks plans the change of networks after all units on them have stopped. The units start again whether that succeeds or
// not.
func (d *differ) renewNetworks() {
	d.renewed = map[string]string{}
	for _, name := range d.renewals {
		d.renewed[name] = d.plan.Add(reconcile.Action{
			Verb: reconcile.ChangeNetwork, Object: d.desired.Networks[name].Ref.String(), Target: name, Reason: networkChanged,
			Needs: append([]string{d.fetched["network "+name]}, d.stopsOn(name)...), Waits: d.leaves(name),
		})
	}
}

// stays says which unit is on a network that changes and cannot leave it yet, because its own next version is
// not known; "" for none. Until then all that is on the network runs on.
func (d *differ) stays(name string) string {
	for _, problem := range d.desired.Problems {
		if !errors.As(problem.Err, new(reconcile.Waiting)) && !errors.As(problem.Err, new(reconcile.Retry)) {
			continue
		}
		for _, unit := range slices.Sorted(maps.Keys(d.actual.Workloads)) {
			current := d.actual.Workloads[unit]
			if current.Ref == problem.Ref && !current.IsDown() && slices.Contains(d.networksOf(change{unit: unit}), name) {
				return "waits for " + reconcile.Subject(problem.Ref.String(), unit) + ", which is on the network: " + problem.Err.Error()
			}
		}
	}
	return ""
}

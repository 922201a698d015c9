package diff

import (
	"maps"
	"slices"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/compare"
	"github.com/davit-project/davit/units/names"
)

// callSpares adds the surge instances of restarted objects, and has those of other objects ready.
func (d *differ) callSpares() {
	restarted := map[string]bool{}
	for _, c := range d.changes {
		restarted[c.workload.Ref.String()] = restarted[c.workload.Ref.String()] || c.verb == reconcile.Restart
	}
	for _, unit := range slices.Sorted(maps.Keys(d.desired.Spares)) {
		workload := d.desired.Spares[unit]
		object := workload.Ref.String()
		if d.options.Suspended[object] != "" || d.foreign(unit, workload) != "" {
			continue
		}
		c := change{unit: unit, workload: workload, spare: true}
		switch {
		case d.options.Unwatched:
		case restarted[object]:
			c = d.called(c)
		case d.actual.Workloads[unit].IsRunning() && d.moves(object):
			c.called = true
		}
		if c.called || workload.BundleDir != "" && !d.staged(unit, workload) {
			d.changes = append(d.changes, c)
		}
	}
}

// moves reports whether something of an object is not up as it is wanted, or is about to change.
func (d *differ) moves(object string) bool {
	for unit, workload := range d.desired.Workloads {
		if workload.Ref.String() == object && workload.Keep == reconcile.KeepRunning && !d.actual.Workloads[unit].IsSettled(workload) && d.heldByOperator(unit).By == "" {
			return true
		}
	}
	return false
}

// called returns the change of a surge instance that runs in place of others; none if it is up, also in another version, left
// from a change that was rolled back or that another one followed: it serves requests, and a restart would end that.
func (d *differ) called(c change) change {
	current, exists := d.actual.Workloads[c.unit]
	c.called = true
	if exists && current.Active == names.Active && current.Job == "" {
		return c
	}
	c.verb, c.why = reconcile.Start, "stands in while "+c.workload.Ref.String()+" is restarted"
	switch {
	case !exists:
		c.write = c.why
	case current.UnitText != c.workload.UnitText:
		c.write = compare.InWords(c.workload, current)
	}
	if current.IsRunning() && current.RunningDir != "" && current.RunningDir != c.workload.BundleDir {
		c.verb = reconcile.Restart
	}
	return c
}

// isCalled reports whether the unit is a spare that stands in now.
func (d *differ) isCalled(unit string) bool {
	return slices.ContainsFunc(d.changes, func(c change) bool { return c.unit == unit && c.called })
}

// leaveSpares has the spares go that do not stand in now.
func (d *differ) leaveSpares() {
	for _, unit := range slices.Sorted(maps.Keys(d.actual.Workloads)) {
		if reconcile.IsSurge(unit) && !d.isCalled(unit) && !d.suspended(d.actual.Workloads[unit].Ref, unit) {
			d.removals = append(d.removals, unit)
		}
	}
}

// spared are the actions that start an object's spares.
func (d *differ) spared(object string) []string {
	var starts []string
	for _, c := range d.changes {
		if c.spare && c.verb != "" && c.workload.Ref.String() == object {
			starts = append(starts, c.begin())
		}
	}
	return starts
}

// dismiss plans the removal of surge instances after the units in whose place they run are up again, or have failed.
func (d *differ) dismiss(ordered []change) {
	for _, c := range slices.Backward(d.changes) {
		if !c.called {
			continue
		}
		object := c.workload.Ref.String()
		var after []string
		for _, other := range ordered {
			if other.workload.Ref.String() == object {
				after = append(after, other.begin())
			}
		}
		if len(after) == 0 {
			continue // the unit in whose place it runs is starting
		}
		const reason = "nothing is restarted any more"
		stop := d.plan.Add(reconcile.Action{Verb: reconcile.Stop, Object: object, Target: c.unit, Reason: reason, After: after})
		d.plan.Add(reconcile.Action{Verb: reconcile.RemoveUnit, Object: object, Target: c.unit, Reason: reason, Needs: []string{stop}})
	}
}

package diff

import (
	"fmt"
	"slices"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/names"
)

// Blocker is a unit that does not run, and keeps another one from running.
type Blocker struct {
	Object, Unit string
	// Condition is its state, in systemd's words.
	Condition string
}

// String names the unit that a unit waits for, for people.
func (b Blocker) String() string {
	return fmt.Sprintf("waits for %s, which is %s", reconcile.Subject(b.Object, b.Unit), b.Condition)
}

// Blocked returns, for each unit that does not run, the reason why systemd cannot start it: the unit at the root of those that it
// requires, which does not run either.
func Blocked(desired reconcile.Desired, actual reconcile.Actual) map[string]Blocker {
	d := &differ{desired: desired, actual: actual}
	blocked := map[string]Blocker{}
	for unit := range desired.Workloads {
		if root := d.blocker(unit, nil); root != "" {
			state := actual.Workloads[root]
			blocked[unit] = Blocker{state.Ref.String(), root, state.Condition()}
		}
	}
	return blocked
}

// blocks returns the reason why systemd cannot start a unit, if neither the plan nor systemd is about to remove it: a unit that
// it requires has failed, was stopped by an operator, or is not on the node yet. Seen are the units that wait for this one.
func (d *differ) blocks(unit string, seen []string) (Blocker, bool) {
	if seen == nil {
		if masked, is := d.needsMasked(unit, nil); is {
			return masked, true
		}
	}
	workload := d.desired.Workload(unit)
	if workload.Unit == nil || slices.Contains(seen, unit) {
		return Blocker{}, false
	}
	for _, needed := range slices.Concat(workload.Unit.Dependencies.Requires, workload.Unit.Dependencies.BindsTo) {
		if blocker, blocked := d.blocksAs(needed, append(seen, unit)); blocked {
			return blocker, true
		}
	}
	return Blocker{}, false
}

// needsMasked is a masked unit that a unit requires, or that another one does which it requires. systemd refuses to start
// it then, though the masked unit runs.
func (d *differ) needsMasked(unit string, seen []string) (Blocker, bool) {
	workload := d.desired.Workload(unit)
	if workload.Unit == nil || slices.Contains(seen, unit) {
		return Blocker{}, false
	}
	for _, needed := range slices.Concat(workload.Unit.Dependencies.Requires, workload.Unit.Dependencies.BindsTo) {
		if state := d.actual.Workloads[needed]; state.IsMasked() {
			return Blocker{state.Ref.String(), needed, "masked"}, true
		}
		if blocker, is := d.needsMasked(needed, append(seen, unit)); is {
			return blocker, true
		}
	}
	return Blocker{}, false
}

// isRefused reports whether systemd refuses a change because of a masked unit.
func (d *differ) isRefused(c change) bool {
	_, needs := d.needsMasked(c.unit, nil)
	_, takes := d.takesMasked(c)
	return needs || takes
}

// takesMasked is a masked unit that a unit requires which a change restarts along: systemd refuses the whole restart.
func (d *differ) takesMasked(c change) (Blocker, bool) {
	if c.verb != reconcile.Restart {
		return Blocker{}, false
	}
	for _, other := range d.changes {
		if other.with == "" || d.rootOf(other.unit) != c.unit {
			continue
		}
		if blocker, is := d.needsMasked(other.unit, nil); is {
			return blocker, true
		}
	}
	return Blocker{}, false
}

// blocksAs reports whether a unit that another one requires keeps that one from being started.
func (d *differ) blocksAs(needed string, seen []string) (Blocker, bool) {
	state, exists := d.actual.Workloads[needed]
	planned := slices.ContainsFunc(d.changes, func(c change) bool { return c.unit == needed && c.verb != "" })
	switch {
	case planned:
		return d.blocks(needed, seen)
	case !exists && d.actual.Foreign[needed] != "":
		return Blocker{d.desired.Workload(needed).Ref.String(), needed, "an unmanaged unit: " + d.actual.Foreign[needed]}, true
	case !exists:
		object := d.objectOf(needed)
		return Blocker{object, needed, "not on the node yet"}, object != ""
	case state.Active.Up() || d.completed(d.desired.Workloads[needed]):
		return Blocker{}, false
	case d.heldByOperator(needed).By != "":
		return Blocker{state.Ref.String(), needed, "stopped by an operator"}, true
	case state.Active == names.Failed && state.Job == "", state.Sub.Restarting():
		return Blocker{state.Ref.String(), needed, state.Condition()}, true
	default:
		return d.blocks(needed, seen)
	}
}

// objectOf is the object with a problem that would have the unit; "" for none.
func (d *differ) objectOf(unit string) string {
	for _, problem := range d.desired.Problems {
		if slices.Contains(problem.Units, unit) {
			return problem.Ref.String()
		}
	}
	return ""
}

// blocker is the unit that a unit waits for in the end; "" when it waits for none. Seen are the
// units that wait for this one, should they go round in a circle.
func (d *differ) blocker(unit string, seen []string) string {
	workload := d.desired.Workloads[unit]
	if workload.Unit == nil || d.actual.Workloads[unit].IsRunning() || slices.Contains(seen, unit) {
		return ""
	}
	for _, needed := range slices.Concat(workload.Unit.Dependencies.Requires, workload.Unit.Dependencies.BindsTo) {
		state, exists := d.actual.Workloads[needed]
		if !exists || state.Active == names.Active || d.completed(d.desired.Workloads[needed]) {
			continue
		}
		if root := d.blocker(needed, append(seen, unit)); root != "" {
			return root
		}
		return needed
	}
	return ""
}

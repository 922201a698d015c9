package reconcile

import (
	"fmt"
	"slices"
)

// Blocker is a unit that does not run, and keeps another one from running.
type Blocker struct {
	Object, Unit string
	// Condition is its state, in systemd's words.
	Condition string
}

// String says what a unit waits for, for people.
func (b Blocker) String() string {
	return fmt.Sprintf("waits for %s, which is %s", Subject(b.Object, b.Unit), b.Condition)
}

// Blocked says of each unit that does not run what keeps systemd from starting it: the unit at the
// root of those that it requires, which does not run either.
func Blocked(desired Desired, actual Actual) map[string]Blocker {
	d := &differ{desired: desired, actual: actual}
	blocked := map[string]Blocker{}
	for unit := range desired.Workloads {
		if root := d.blocker(unit, nil); root != "" {
			state := actual.Workloads[root]
			blocked[unit] = Blocker{state.Ref.String(), root, state.condition()}
		}
	}
	return blocked
}

// blocker is the unit that a unit waits for in the end; "" when it waits for none. Seen are the
// units that wait for this one, should they go round in a circle.
func (d *differ) blocker(unit string, seen []string) string {
	workload := d.desired.Workloads[unit]
	if workload.Unit == nil || d.actual.Workloads[unit].running() || slices.Contains(seen, unit) {
		return ""
	}
	for _, needed := range slices.Concat(workload.Unit.Dependencies.Requires, workload.Unit.Dependencies.BindsTo) {
		state, exists := d.actual.Workloads[needed]
		if !exists || state.Active == "active" || d.completed(d.desired.Workloads[needed]) {
			continue
		}
		if root := d.blocker(needed, append(seen, unit)); root != "" {
			return root
		}
		return needed
	}
	return ""
}

// condition is a unit's state for people, in systemd's words.
func (w ActualWorkload) condition() string {
	switch {
	case w.Result != "" && w.Result != "success":
		return fmt.Sprintf("%s (%s)", w.Active, w.Result)
	case w.Sub != "":
		return fmt.Sprintf("%s (%s)", w.Active, w.Sub)
	default:
		return w.Active
	}
}

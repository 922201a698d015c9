package diff

import (
	"fmt"
	"maps"
	"slices"

	"github.com/davit-project/davit/reconcile"
)

// restartDependents adds the units that restart along: systemd stops and starts the units that require the restarted unit or are
// bound to it. One that was to be restarted itself is so restarted once, not twice.
func (d *differ) restartDependents() {
	with := map[string]string{}
	for again := true; again; {
		again = false
		for _, unit := range slices.Sorted(maps.Keys(d.desired.Workloads)) {
			cause, current := d.restartedBy(d.desired.Workloads[unit], with), d.actual.Workloads[unit]
			if cause != "" && with[unit] == "" && current.IsRunning() && !current.IsMasked() { // systemd knows no dependencies of a masked unit
				with[unit], again = cause, true
			}
		}
	}
	for _, unit := range slices.Sorted(maps.Keys(with)) {
		reason := fmt.Sprintf("%s is restarted", with[unit])
		i := slices.IndexFunc(d.changes, func(c change) bool { return c.unit == unit })
		if i < 0 {
			d.plan.Unchanged--
			d.changes = append(d.changes, change{unit: unit, workload: d.desired.Workloads[unit], why: reason})
			i = len(d.changes) - 1
		}
		c := &d.changes[i]
		if c.why == "" {
			c.why = reason
		}
		c.verb, c.with = reconcile.Start, with[unit]
	}
}

// restartedBy is the unit whose restart takes the workload along, or "".
func (d *differ) restartedBy(workload reconcile.Workload, with map[string]string) string {
	if workload.Unit == nil {
		return ""
	}
	for _, needed := range slices.Concat(workload.Unit.Dependencies.BindsTo, workload.Unit.Dependencies.Requires) {
		if cause := with[needed]; cause != "" {
			return cause
		}
		if slices.ContainsFunc(d.changes, func(c change) bool { return c.unit == needed && c.verb == reconcile.Restart }) {
			return needed
		}
	}
	return ""
}

// inOrder returns the changes that start a unit, required units first.
func (d *differ) inOrder() []change {
	byUnit := map[string]change{}
	for _, c := range d.changes {
		if c.verb != "" {
			byUnit[c.unit] = c
		}
	}
	var ordered []change
	done := map[string]bool{}
	var visit func(unit string)
	visit = func(unit string) {
		c, ok := byUnit[unit]
		if !ok || done[unit] {
			return
		}
		done[unit] = true
		for _, before := range waitsFor(c, byUnit) {
			visit(before)
		}
		ordered = append(ordered, c)
	}
	for _, unit := range slices.Sorted(maps.Keys(byUnit)) {
		visit(unit)
	}
	return ordered
}

// waitsFor are the units that come before a change, sorted.
func waitsFor(c change, byUnit map[string]change) []string {
	if byUnit[c.workload.Triggers].restarts() {
		return []string{c.workload.Triggers}
	}
	if c.workload.Unit == nil {
		return nil
	}
	before := slices.Clone(c.workload.Unit.Dependencies.After)
	before = slices.DeleteFunc(before, func(unit string) bool {
		return c.restarts() && byUnit[unit].workload.Triggers == c.unit
	})
	slices.Sort(before)
	return before
}

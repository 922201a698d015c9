package diff

import (
	"maps"
	"slices"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/names"
)

// takeOver plans the change of a unit whose file belongs to another object. The running process stops with the
// settings of its own object, before the file changes. A slice has no process; the units in it stop by themselves.
func (d *differ) takeOver(c change, current reconcile.ActualWorkload) change {
	c.write = "was " + current.Ref.String()
	c.yields = !current.IsDown() && !names.IsSlice(c.unit)
	if d.starts(c.workload) {
		c.verb, c.why = reconcile.Start, c.write
	}
	return c
}

// yield plans the stops of units that pass from one object to another.
func (d *differ) yield() {
	d.yielded, d.yields = map[string]string{}, map[v1.Ref][]string{}
	for _, c := range d.changes {
		if !c.yields {
			continue
		}
		current := d.actual.Workloads[c.unit]
		stop := d.plan.Add(reconcile.Action{
			Verb: reconcile.Stop, Object: current.Ref.String(), Target: c.unit, Reason: "becomes " + c.workload.Ref.String(),
			Needs: d.requirements(c.workload), Waits: current.Stopping(c.unit),
		})
		d.yielded[c.unit] = stop
		d.yields[c.workload.Ref] = append(d.yields[c.workload.Ref], stop)
	}
	for _, unit := range slices.Sorted(maps.Keys(d.stops)) {
		for _, next := range d.replacedBy(d.actual.Workloads[unit].Ref) {
			if !slices.Contains(d.yields[next.workload.Ref], d.stops[unit]) {
				d.yields[next.workload.Ref] = append(d.yields[next.workload.Ref], d.stops[unit])
			}
		}
	}
}

// giveWay are the stops that come before an object's files and starts: of its units that still belong to another
// object, and of the objects whose place it takes. Otherwise a boot in between would start both objects.
func (d *differ) giveWay(workload reconcile.Workload) []string { return d.yields[workload.Ref] }

// replaces reports whether an object takes the place of one of its name that is of another kind, and not wanted
// any more.
func (d *differ) replaces(next, before v1.Ref) bool {
	return next.Name == before.Name && next.Kind != before.Kind && !d.isWanted(before)
}

// isWanted reports whether an object is desired.
func (d *differ) isWanted(ref v1.Ref) bool {
	if d.wanted == nil {
		d.wanted = map[v1.Ref]bool{}
		for _, workload := range d.desired.Workloads {
			d.wanted[workload.Ref] = true
		}
	}
	return d.wanted[ref]
}

// replacedBy are the changes of the objects that take the place of one.
func (d *differ) replacedBy(before v1.Ref) []change {
	var next []change
	for _, c := range d.changes {
		if d.replaces(c.workload.Ref, before) {
			next = append(next, c)
		}
	}
	return next
}

// newcomers are the objects of a name of which nothing is on the node yet, including those that are not possible yet.
func (d *differ) newcomers(name string) []v1.Ref {
	if d.newcomer == nil {
		d.newcomer = d.findNewcomers()
	}
	return d.newcomer[name]
}

func (d *differ) findNewcomers() map[string][]v1.Ref {
	here, refs := map[v1.Ref]bool{}, map[v1.Ref]bool{}
	for _, current := range d.actual.Workloads {
		here[current.Ref] = true
	}
	for _, workload := range d.desired.Workloads {
		refs[workload.Ref] = !here[workload.Ref]
	}
	for _, problem := range d.desired.Problems {
		refs[problem.Ref] = !here[problem.Ref]
	}
	named := map[string][]v1.Ref{}
	for ref, isNew := range refs {
		if isNew {
			named[ref.Name] = append(named[ref.Name], ref)
		}
	}
	return named
}

// awaited is the object that takes the place of one that is not wanted any more, and that is not possible yet. The
// one before stays until it is.
func (d *differ) awaited(before v1.Ref) (next v1.Ref, isAwaited bool) {
	for _, next := range d.newcomers(before.Name) {
		if d.replaces(next, before) && !d.comesWhole(next) {
			return next, true
		}
	}
	return v1.Ref{}, false
}

// comesWhole reports whether the plan brings all that a new object has.
func (d *differ) comesWhole(ref v1.Ref) bool {
	for _, problem := range d.desired.Problems {
		if problem.Ref == ref {
			return false
		}
	}
	units, comes := 0, 0
	for _, workload := range d.desired.Workloads {
		if workload.Ref == ref && !d.expired(workload) {
			units++
		}
	}
	for _, c := range d.changes {
		if c.workload.Ref == ref && !c.spare {
			comes++
		}
	}
	return units == comes
}

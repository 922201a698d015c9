package diff

import (
	"slices"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile/claims"
	"github.com/davit-project/davit/units/names"
)

// One change may give things from one object to another: a port of the node, an address, a directory that one
// writes to. The start that wants a thing waits for the restart that gives it up. Where objects wait for each other
// in a circle, as when two swap their ports, all of them stop first.

// passOn finds which units of the changes wait for which others to give things up.
func (d *differ) passOn() {
	d.leaving = d.findLeaving()
	giving := claims.Index{}
	for _, c := range d.changes {
		if c.restarts() || c.with != "" {
			for _, claim := range d.gives(c.unit) {
				giving.Add(c.unit, claim)
			}
		}
	}
	d.givers = map[string][]string{}
	if len(giving) == 0 {
		return
	}
	for _, c := range d.changes {
		if c.verb == "" {
			continue
		}
		for _, claim := range d.wants(c) {
			for _, unit := range giving.Units(claim) {
				if root := d.rootOf(unit); root != d.rootOf(c.unit) {
					d.givers[c.unit] = append(d.givers[c.unit], root)
				}
			}
		}
	}
}

// wants are the claims of a change that its unit does not have now.
func (d *differ) wants(c change) []claims.Claim {
	return claims.Without(claims.Of(c.workload.Bundle, c.workload.UnitText), d.has(c.unit))
}

// gives returns the claims of a unit's process that its desired version does not have.
func (d *differ) gives(unit string) []claims.Claim {
	workload := d.desired.Workload(unit)
	return claims.Without(d.has(unit), claims.Of(workload.Bundle, workload.UnitText))
}

// has returns the claims of a unit's process.
func (d *differ) has(unit string) []claims.Claim {
	current := d.actual.Workloads[unit]
	switch {
	case current.IsDown():
		return nil
	case current.RunningDir == current.BundleDir:
		return claims.Of(current.Bundle, current.UnitText)
	default:
		return claims.Of(current.Running, current.UnitText)
	}
}

// rootOf is the unit whose restart restarts this one.
func (d *differ) rootOf(unit string) string {
	i := slices.IndexFunc(d.changes, func(c change) bool { return c.unit == unit && c.with != "" && c.with != unit })
	if i < 0 {
		return unit
	}
	return d.rootOf(d.changes[i].with)
}

// inCircle are the objects that wait for each other to give things up.
func (d *differ) inCircle() map[v1.Ref]bool {
	waits := map[v1.Ref][]v1.Ref{}
	for unit, givers := range d.givers {
		from := d.desired.Workload(d.rootOf(unit)).Ref
		for _, giver := range givers {
			waits[from] = append(waits[from], d.desired.Workload(giver).Ref)
		}
	}
	circle := map[v1.Ref]bool{}
	for ref := range waits {
		circle[ref] = reaches(waits, ref, ref, map[v1.Ref]bool{})
	}
	return circle
}

func reaches(waits map[v1.Ref][]v1.Ref, from, to v1.Ref, seen map[v1.Ref]bool) bool {
	for _, next := range waits[from] {
		if next == to {
			return true
		}
		if !seen[next] {
			seen[next] = true
			if reaches(waits, next, to, seen) {
				return true
			}
		}
	}
	return false
}

// isGiver reports whether another unit waits for one to give something up.
func (d *differ) isGiver(unit string) bool {
	return anyValue(d.givers, func(givers []string) bool { return slices.Contains(givers, unit) })
}

// given returns the actions after which the things that a unit claims are free.
func (d *differ) given(c change) []string {
	var after []string
	for _, giver := range d.givers[c.unit] {
		if stop, ok := d.halted[giver]; ok {
			after = append(after, stop)
		} else if i := slices.IndexFunc(d.changes, func(other change) bool { return other.unit == giver }); i >= 0 {
			after = append(after, d.changes[i].begin())
		}
	}
	return after
}

// givesStill says which unit has something still that a change wants, though it is on its way to give it up; "" for
// none.
func (d *differ) givesStill(c change) string {
	for _, unit := range d.leaving {
		if unit != c.unit && d.stops[unit] == "" && claims.Overlap(d.wants(c), d.gives(unit)) {
			return unit + " is stopping"
		}
	}
	return ""
}

// findLeaving finds the units that systemd stops or restarts, and that have something that they are not to have.
func (d *differ) findLeaving() []string {
	var found []string
	for unit, current := range d.actual.Workloads {
		_, kept := d.kept[unit]
		leaves := current.Active == names.Deactivating || current.Job == "restart" || current.Job == "stop"
		if leaves && !kept && len(d.gives(unit)) > 0 {
			found = append(found, unit)
		}
	}
	slices.Sort(found)
	return found
}

func anyValue[V any](m map[string]V, is func(V) bool) bool {
	for _, value := range m {
		if is(value) {
			return true
		}
	}
	return false
}

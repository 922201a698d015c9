// Package compare says how one rendering of a workload differs from another, in words for people, and whether a reload is enough
// to apply the difference.
package compare

import (
	"maps"
	"slices"

	"github.com/davit-project/davit/reconcile"
)

// Difference is a difference between two generations.
type Difference struct {
	Object string `json:"object"`
	// Unit is the unit that differs.
	Unit string `json:"unit"`
	// Change says how, for people.
	Change string `json:"change"`
}

// Compare lists how the units of one desired state differ from those of an earlier one, by unit.
func Compare(before, after reconcile.Desired) []Difference {
	var found []Difference
	units := map[string]bool{}
	for unit := range before.Workloads {
		units[unit] = true
	}
	for unit := range after.Workloads {
		units[unit] = true
	}
	for _, unit := range slices.Sorted(maps.Keys(units)) {
		old, was := before.Workloads[unit]
		workload, is := after.Workloads[unit]
		difference := Difference{Object: workload.Ref.String(), Unit: unit}
		switch {
		case !is:
			difference.Object, difference.Change = old.Ref.String(), "removed"
		case !was:
			difference.Change = "added"
		case old.UnitText == workload.UnitText:
			continue
		default:
			difference.Change = InWords(workload, reconcile.ActualWorkload{UnitText: old.UnitText, BundleDir: old.BundleDir, Bundle: old.Bundle})
		}
		found = append(found, difference)
	}
	return found
}

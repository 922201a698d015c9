package diff

import (
	"maps"
	"slices"

	"github.com/davit-project/davit/reconcile/claims"
)

// conflicts are the stops of removed units that the start of a unit waits for: both need a thing that
// only one of them can have.
func (d *differ) conflicts(c change) []string {
	if len(d.stops) == 0 {
		return nil
	}
	wanted := claims.Of(c.workload.Bundle, c.workload.UnitText)
	var after []string
	for _, unit := range slices.Sorted(maps.Keys(d.stops)) {
		if claims.Overlap(wanted, d.claimsOf(unit)) {
			after = append(after, d.stops[unit])
		}
	}
	return after
}

// claimsOf are those of a unit as it runs now.
func (d *differ) claimsOf(unit string) []claims.Claim {
	current := d.actual.Workloads[unit]
	held := claims.Of(nil, current.UnitText)
	for b := range current.Bundles() {
		held = append(held, claims.Of(b, "")...)
	}
	return held
}

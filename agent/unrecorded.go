package agent

import (
	"maps"
	"slices"

	"github.com/davit-project/davit/reconcile"
)

// unrecorded are the units that run although nothing below /run/davit says so: it was emptied meanwhile.
func unrecorded(actual reconcile.Actual) map[string]bool {
	units := map[string]bool{}
	for unit, workload := range actual.Workloads {
		if workload.Active == "active" && workload.Bundle != nil && workload.RunningDir == "" {
			units[unit] = true
		}
	}
	return units
}

// noteUnrecorded warns of them, once each.
func (a *Agent) noteUnrecorded(actual reconcile.Actual) {
	now := unrecorded(actual)
	for _, unit := range slices.Sorted(maps.Keys(now)) {
		if !a.unrecorded[unit] {
			a.log.Warn("the record of what runs is lost: it runs on, and systemctl restart makes it again, which davit exec and changes of names need", "unit", unit)
		}
	}
	a.unrecorded = now
}

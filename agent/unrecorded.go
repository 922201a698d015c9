package agent

import (
	"context"
	"maps"
	"os"
	"slices"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// unrecorded are the units that run although nothing below /run/davit says so: it was emptied meanwhile.
func unrecorded(actual reconcile.Actual) map[string]bool {
	units := map[string]bool{}
	for unit, workload := range actual.Workloads {
		if workload.Active == names.Active && workload.Bundle != nil && workload.RunningDir == "" {
			units[unit] = true
		}
	}
	return units
}

// isUnrecorded looks again: a unit may have started or stopped between the look at systemd and that at the records.
func (n *Node) isUnrecorded(ctx context.Context, unit string) bool {
	before, err := n.stateNow(ctx, unit)
	if err != nil || before.ActiveState != names.Active {
		return false
	}
	if _, err := os.Lstat(bundle.RunningBundle(names.ID(unit))); err == nil {
		return false
	}
	after, err := n.stateNow(ctx, unit)
	return err == nil && after.ActiveState == names.Active && after.Invocation == before.Invocation
}

// noteUnrecorded warns of them, once each.
func (a *Agent) noteUnrecorded(ctx context.Context, actual reconcile.Actual) {
	now := unrecorded(actual)
	for _, unit := range slices.Sorted(maps.Keys(now)) {
		if !a.unrecorded[unit] && !a.node.isUnrecorded(ctx, unit) {
			delete(now, unit)
		} else if !a.unrecorded[unit] {
			a.log.Warn("the record of a running container is lost: it keeps running, but davit exec and changes of names need the record, which systemctl restart makes again", "unit", unit)
		}
	}
	a.unrecorded = now
}

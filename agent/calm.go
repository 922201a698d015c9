package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
)

// calm is how long a container has to run before its earlier restarts no longer count, as in
// Kubernetes (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy).
const calm = 10 * time.Minute

// forgetRestarts makes the wait before the next restart short again for what has run well for
// long: systemd itself counts restarts for as long as nobody stops the unit, so a container that
// crashes once a month would wait longer each time.
func (n *Node) forgetRestarts(ctx context.Context, actual reconcile.Actual, now time.Time) error {
	var failures []error
	for _, unit := range slices.Sorted(maps.Keys(actual.Workloads)) {
		if hasCalmedDown(actual.Workloads[unit], now) {
			failures = append(failures, n.Systemd.ForgetRestarts(ctx, unit))
		}
	}
	return errors.Join(failures...)
}

// hasCalmedDown reports whether a unit's restarts count no more. Where they do not make its next
// one wait, they are left alone: they may be bounded by the manifest, and people look at them.
func hasCalmedDown(workload reconcile.ActualWorkload, now time.Time) bool {
	return workload.Restarts > 0 && workload.Active == "active" && now.Sub(workload.Since) >= calm &&
		units.BacksOff(workload.UnitText)
}

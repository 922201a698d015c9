package reconcile_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
)

// TestAUnitFileOfTheOperatorsIsLeftAlone neither writes nor restarts a unit that systemd reads from an unmanaged file, preserves
// its resources, and names that file.
func TestAUnitFileOfTheOperatorsIsLeftAlone(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web")+reconciletest.Container("other"), reconciletest.Command))
	changeWorkload(n, "web.service", func(w *reconcile.ActualWorkload) { w.Shadow = "/etc/systemd/system/web.service" })
	changed := reconciletest.Resolve(t, reconciletest.Container("web", "hostname: changed")+reconciletest.Container("other", "hostname: changed"), reconciletest.Command)
	before := n.Actual.Workloads["web.service"].BundleDir
	plan := n.MustApply(t, changed)
	for _, action := range plan.Actions {
		if action.Target == "web.service" || action.Target == before {
			t.Errorf("planned %+v", action)
		}
	}
	if len(plan.Held) != 1 || plan.Held[0].By != reconcile.ByShadow || !strings.Contains(plan.Held[0].Reason, "/etc/systemd/system/web.service is used instead") {
		t.Errorf("held %v", plan.Held)
	}
	changeWorkload(n, "web.service", func(w *reconcile.ActualWorkload) { w.Shadow = "" })
	if got := reconciletest.Verbs(diff.Diff(changed, n.Actual, diff.Options{})); !slices.Contains(got, "restart Container/web") {
		t.Errorf("without it, it plans %v", got)
	}
}

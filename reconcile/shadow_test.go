package reconcile

import (
	"slices"
	"strings"
	"testing"
)

// TestAUnitFileOfTheOperatorsIsLeftAlone neither writes nor restarts a unit that systemd has from elsewhere, keeps what
// it runs from, and says which file it is.
func TestAUnitFileOfTheOperatorsIsLeftAlone(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.mustApply(t, resolve(t, container("web")+container("other"), command))
	changeWorkload(n, "web.service", func(w *ActualWorkload) { w.Shadow = "/etc/systemd/system/web.service" })
	changed := resolve(t, container("web", "hostname: changed")+container("other", "hostname: changed"), command)
	before := n.actual.Workloads["web.service"].BundleDir
	plan := n.mustApply(t, changed)
	for _, action := range plan.Actions {
		if action.Target == "web.service" || action.Target == before {
			t.Errorf("planned %+v", action)
		}
	}
	if len(plan.Held) != 1 || plan.Held[0].By != ByShadow || !strings.Contains(plan.Held[0].Reason, "/etc/systemd/system/web.service is used instead") {
		t.Errorf("held %v", plan.Held)
	}
	changeWorkload(n, "web.service", func(w *ActualWorkload) { w.Shadow = "" })
	if got := verbs(Diff(changed, n.actual, Options{})); !slices.Contains(got, "restart Container/web") {
		t.Errorf("without it, it plans %v", got)
	}
}

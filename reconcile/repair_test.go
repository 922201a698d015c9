package reconcile_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/apply"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/reconcile/reconciletest"
)

// damaged is a node on which web runs and something of it was removed.
func damaged(t *testing.T, missing string) (*reconciletest.Node, reconcile.Desired) {
	t.Helper()
	n := reconciletest.NewNode()
	desired := reconciletest.Resolve(t, reconciletest.Container("web")+reconciletest.Container("other"), reconciletest.Command)
	n.MustApply(t, desired)
	changeWorkload(n, "web.service", func(w *reconcile.ActualWorkload) { w.Missing = missing })
	return n, desired
}

// changeWorkload changes the actual state of a unit.
func changeWorkload(n *reconciletest.Node, unit string, change func(*reconcile.ActualWorkload)) {
	current := n.Actual.Workloads[unit]
	change(&current)
	n.Actual.Workloads[unit] = current
}

func TestWhatIsMissingOfAContainerIsMadeAgainWithoutARestart(t *testing.T) {
	t.Parallel()
	n, desired := damaged(t, "the bridge davit0 is gone")
	plan, calls, err := n.Apply(t, desired, diff.Options{})
	if err != nil || !slices.Equal(calls, []string{"repair web.service"}) {
		t.Errorf("called %v, %v", calls, err)
	}
	if got := plan.Actions[0]; got.Object != "Container/web" || got.Reason != "the bridge davit0 is gone" {
		t.Errorf("planned %+v", got)
	}
	if plan := diff.Diff(desired, n.Actual, diff.Options{}); !plan.Empty() {
		t.Errorf("afterwards there is still to do: %v", plan.Actions)
	}
}

func TestWhatIsMissingIsOnlyReportedWhereTheNodeWantsThat(t *testing.T) {
	t.Parallel()
	n, desired := damaged(t, "the bridge davit0 is gone")
	plan := diff.Diff(desired, n.Actual, diff.Options{Applied: map[string]history.Version{}})
	if !plan.Empty() || len(plan.Held) != 1 || plan.Held[0].By != reconcile.ByDriftPolicy || !strings.Contains(plan.Held[0].Reason, "the bridge davit0 is gone") {
		t.Errorf("planned %v, held %v", plan.Actions, plan.Held)
	}
}

func TestWhatIsRestartedOrSuspendedIsNotRepaired(t *testing.T) {
	t.Parallel()
	n, desired := damaged(t, "the bridge davit0 is gone")
	if plan := diff.Diff(desired, n.Actual, diff.Options{Suspended: map[string]string{"Container/web": "suspended"}}); !plan.Empty() {
		t.Errorf("of a suspended object it planned %v", plan.Actions)
	}
	changed := reconciletest.Resolve(t, reconciletest.Container("web", "stopSignal: SIGINT", "hostname: changed")+reconciletest.Container("other"), reconciletest.Command)
	got := reconciletest.Verbs(diff.Diff(changed, n.Actual, diff.Options{}))
	if slices.Contains(got, "repair Container/web") || !slices.Contains(got, "restart Container/web") {
		t.Errorf("of a container that is restarted it planned %v", got)
	}
}

// TestARepairHasEndedWhenNothingIsMissing takes a repair for under way until the container is whole again, or down.
func TestARepairHasEndedWhenNothingIsMissing(t *testing.T) {
	t.Parallel()
	n, desired := damaged(t, "the bridge davit0 is gone")
	repair := reconcile.Action{Verb: reconcile.Repair, Target: "web.service"}
	if ended, err := diff.Ended(repair, desired, n.Actual); ended || err != nil {
		t.Errorf("ended %v, %v", ended, err)
	}
	changeWorkload(n, "web.service", func(w *reconcile.ActualWorkload) { w.Missing = "" })
	if ended, err := diff.Ended(repair, desired, n.Actual); !ended || err != nil {
		t.Errorf("ended %v, %v", ended, err)
	}
}

// TestARepairThatFailsSaysNothingOfTheVersion leaves a version confirmed whose container could not be repaired.
func TestARepairThatFailsSaysNothingOfTheVersion(t *testing.T) {
	t.Parallel()
	n, desired := damaged(t, "the bridge davit0 is gone")
	n.Fail["repair web.service"] = errors.New("no such device")
	generation := history.NewGeneration(1, desired, "digest", time.Now())
	generation.Manifests = "manifests"
	generation.Confirm("Container/web")
	before := generation.Works("Container/web")
	err := apply.Apply(t.Context(), diff.Diff(desired, n.Actual, diff.Options{}), desired, n.Drivers(), generation.Record)
	if err == nil || !strings.Contains(err.Error(), "repair Container/web: no such device") {
		t.Errorf("got %v", err)
	}
	if !before || !generation.Works("Container/web") {
		t.Errorf("it worked: %v, and works: %v", before, generation.Works("Container/web"))
	}
}

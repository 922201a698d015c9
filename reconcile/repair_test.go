package reconcile

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// damaged is a node on which web runs and something of it was removed.
func damaged(t *testing.T, missing string) (*node, Desired) {
	t.Helper()
	n := newNode()
	desired := resolve(t, container("web")+container("other"), command)
	n.mustApply(t, desired)
	changeWorkload(n, "web.service", func(w *ActualWorkload) { w.Missing = missing })
	return n, desired
}

// change changes what a unit of the node is.
func changeWorkload(n *node, unit string, change func(*ActualWorkload)) {
	current := n.actual.Workloads[unit]
	change(&current)
	n.actual.Workloads[unit] = current
}

func TestWhatIsMissingOfAContainerIsMadeAgainWithoutARestart(t *testing.T) {
	t.Parallel()
	n, desired := damaged(t, "the bridge davit0 is gone")
	plan, calls, err := n.apply(t, desired, Options{})
	if err != nil || !slices.Equal(calls, []string{"repair web.service"}) {
		t.Errorf("called %v, %v", calls, err)
	}
	if got := plan.Actions[0]; got.Object != "Container/web" || got.Reason != "the bridge davit0 is gone" {
		t.Errorf("planned %+v", got)
	}
	if plan := Diff(desired, n.actual, Options{}); !plan.Empty() {
		t.Errorf("afterwards there is still to do: %v", plan.Actions)
	}
}

func TestWhatIsMissingIsOnlyReportedWhereTheNodeWantsThat(t *testing.T) {
	t.Parallel()
	n, desired := damaged(t, "the bridge davit0 is gone")
	plan := Diff(desired, n.actual, Options{Applied: map[string]Version{}})
	if !plan.Empty() || len(plan.Held) != 1 || plan.Held[0].By != ByDriftPolicy || !strings.Contains(plan.Held[0].Reason, "the bridge davit0 is gone") {
		t.Errorf("planned %v, held %v", plan.Actions, plan.Held)
	}
}

func TestWhatIsRestartedOrSuspendedIsNotRepaired(t *testing.T) {
	t.Parallel()
	n, desired := damaged(t, "the bridge davit0 is gone")
	if plan := Diff(desired, n.actual, Options{Suspended: map[string]string{"Container/web": "suspended"}}); !plan.Empty() {
		t.Errorf("of a suspended object it planned %v", plan.Actions)
	}
	changed := resolve(t, container("web", "stopSignal: SIGINT", "hostname: changed")+container("other"), command)
	got := verbs(Diff(changed, n.actual, Options{}))
	if slices.Contains(got, "repair Container/web") || !slices.Contains(got, "restart Container/web") {
		t.Errorf("of a container that is restarted it planned %v", got)
	}
}

// TestARepairHasEndedWhenNothingIsMissing takes a repair for under way until the container is whole again, or down.
func TestARepairHasEndedWhenNothingIsMissing(t *testing.T) {
	t.Parallel()
	n, desired := damaged(t, "the bridge davit0 is gone")
	repair := Action{Verb: Repair, Target: "web.service"}
	if ended, err := Ended(repair, desired, n.actual); ended || err != nil {
		t.Errorf("ended %v, %v", ended, err)
	}
	changeWorkload(n, "web.service", func(w *ActualWorkload) { w.Missing = "" })
	if ended, err := Ended(repair, desired, n.actual); !ended || err != nil {
		t.Errorf("ended %v, %v", ended, err)
	}
}

// TestARepairThatFailsSaysNothingOfTheVersion leaves a version confirmed whose container could not be repaired.
func TestARepairThatFailsSaysNothingOfTheVersion(t *testing.T) {
	t.Parallel()
	n, desired := damaged(t, "the bridge davit0 is gone")
	n.fail["repair web.service"] = errors.New("no such device")
	generation := NewGeneration(1, desired, "digest", time.Now())
	generation.Manifests = "manifests"
	generation.Confirm("Container/web")
	before := generation.Works("Container/web")
	err := Apply(t.Context(), Diff(desired, n.actual, Options{}), desired, n.drivers(), generation.Record)
	if err == nil || !strings.Contains(err.Error(), "repair Container/web: no such device") {
		t.Errorf("got %v", err)
	}
	if !before || !generation.Works("Container/web") {
		t.Errorf("it worked: %v, and works: %v", before, generation.Works("Container/web"))
	}
}

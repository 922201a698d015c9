package reconcile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/reconcile/reconciletest"
)

// roll has three replicas run, changes them, and returns when each was restarted, in seconds after that.
func roll(t *testing.T, behave func(unit, bundleDir string) behaviour) (s *simulation, restarts []string) {
	t.Helper()
	pod := func(args string) string {
		return reconciletest.Header + "Pod\nmetadata: {name: web}\nspec:\n  replicas: 3\n  hostNetwork: true\n  updatePolicy: {minReadySeconds: 8, maxUnavailable: 1}\n" +
			"  containers:\n  - {name: server, image: example.com/app:1, args: [" + args + "]}\n"
	}
	s = newSimulation()
	for range 30 {
		s.pass(reconciletest.Load(t, pod("one")), "one")
		s.tick()
	}
	old := map[string]bool{}
	for _, current := range s.Actual.Workloads {
		old[current.BundleDir] = true
	}
	s.behave = func(unit, bundleDir string) behaviour {
		if old[bundleDir] {
			return behaviour{start: time.Second, stop: time.Second}
		}
		return behave(unit, bundleDir)
	}
	objects := reconciletest.Load(t, pod("two"))
	for second := range 60 {
		s.Calls = nil
		s.pass(objects, "two")
		for _, call := range services(s.Calls) {
			if strings.HasPrefix(call, "restart") || strings.HasPrefix(call, "start") {
				restarts = append(restarts, fmt.Sprintf("%s at %d", call, second))
			}
		}
		s.tick()
	}
	return s, restarts
}

func TestAReplicaWaitsForTheProbationOfTheOneBefore(t *testing.T) {
	t.Parallel()
	_, got := roll(t, func(string, string) behaviour { return behaviour{start: time.Second, stop: time.Second} })
	want := []string{"restart web@1 at 0", "restart web@2 at 10", "restart web@3 at 20"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAVersionThatCrashesOnProbationReplacesOneReplica(t *testing.T) {
	t.Parallel()
	s, got := roll(t, func(string, string) behaviour {
		return behaviour{start: time.Second, stop: time.Second, crash: 5 * time.Second}
	})
	want := []string{"restart web@1 at 0", "restart web@1 at 7"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, unit := range []string{"web@1.service", "web@2.service", "web@3.service"} {
		if current := s.Actual.Workloads[unit]; current.Active != "active" || current.Run.Restarts > 0 {
			t.Errorf("%s is %s, restarted %d times", unit, current.Active, current.Run.Restarts)
		}
	}
}

// TestAVerdictIsDueWithTheFirstReplica makes a pass when the next replica may follow.
func TestAVerdictIsDueWithTheFirstReplica(t *testing.T) {
	t.Parallel()
	now := time.Unix(10_000, 0)
	n := reconciletest.NewNode()
	desired := reconciletest.Resolve(t, reconciletest.Header+"Pod\nmetadata: {name: web}\nspec:\n  replicas: 3\n  hostNetwork: true\n  containers:\n  - {name: server, image: example.com/app:1}\n", reconciletest.Command)
	n.MustApply(t, desired)
	for unit, seconds := range map[string]int{"web@1.service": 4, "web@2.service": 1, "web@3.service": 0} {
		current := n.Actual.Workloads[unit]
		current.Run = &reconcile.Run{Entered: now.Add(-time.Duration(seconds) * time.Second)}
		if seconds == 0 {
			current.RunningDir = "web-old"
		}
		n.Actual.Workloads[unit] = current
	}
	verdict := history.Judge(desired, n.Actual, map[string]string{"Pod/web": ""}, now)["Pod/web"]
	if left := verdict.Due.Sub(now); left != 6*time.Second || verdict.Progress != history.Starting {
		t.Errorf("it is %s and due in %s, want 6s", verdict.Progress, left)
	}
}

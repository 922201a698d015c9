package reconcile_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
)

const surge = "updatePolicy: {maxSurge: 1}"

// services are the calls that start and stop units.
func services(calls []string) []string {
	var found []string
	for _, call := range calls {
		verb, unit, _ := strings.Cut(call, " ")
		if verb == "start" || verb == "restart" || verb == "reload-unit" || verb == "stop" || verb == "remove-unit" {
			found = append(found, verb+" "+strings.TrimSuffix(unit, ".service"))
		}
	}
	return found
}

func TestASpareStandsInWhileItsContainerIsRestarted(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web", surge), reconciletest.Command))
	desired := reconciletest.Resolve(t, reconciletest.Container("web", surge, "args: [other]"), reconciletest.Command)
	plan := n.MustApply(t, desired)
	want := []string{"start web@surge1", "restart web", "stop web@surge1", "remove-unit web@surge1"}
	if diff := cmp.Diff(want, services(n.Calls)); diff != "" {
		t.Error(diff)
	}
	if reloads := strings.Count(strings.Join(reconciletest.Verbs(plan), "\n"), "reload"); reloads != 1 {
		t.Errorf("%d reloads", reloads)
	}
	if rest := diff.Diff(desired, n.Actual, diff.Options{}); !rest.Empty() {
		t.Errorf("a second apply would still do %v", reconciletest.Verbs(rest))
	}
}

// TestASpareThatDoesNotWork does not touch the running version: the new version does not work.
func TestASpareThatDoesNotWork(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web", surge), reconciletest.Command))
	n.Fail = map[string]error{"start web@surge1.service": errors.New("not ready")}
	if _, calls, err := n.Apply(t, reconciletest.Resolve(t, reconciletest.Container("web", surge, "args: [other]"), reconciletest.Command), diff.Options{}); err == nil {
		t.Error("no error")
	} else if diff := cmp.Diff([]string{"start web@surge1", "stop web@surge1", "remove-unit web@surge1"}, services(calls)); diff != "" {
		t.Error(diff)
	}
}

// TestASpareOfAnInterruptedChange serves where it is needed, and goes where it is not.
func TestASpareOfAnInterruptedChange(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	first := reconciletest.Resolve(t, reconciletest.Container("web", surge), reconciletest.Command)
	n.MustApply(t, first)
	n.Fail = map[string]error{"restart web.service": errors.New("killed"), "stop web@surge1.service": errors.New("killed")}
	if _, _, err := n.Apply(t, reconciletest.Resolve(t, reconciletest.Container("web", surge, "args: [other]"), reconciletest.Command), diff.Options{}); err == nil {
		t.Fatal("no error")
	}
	n.Fail = map[string]error{}
	left := n.Actual.Workloads["web@surge1.service"]
	if left.Active != "active" {
		t.Fatalf("the spare is %q", left.Active)
	}
	n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web", surge, "args: [third]"), reconciletest.Command))
	if diff := cmp.Diff([]string{"restart web", "stop web@surge1", "remove-unit web@surge1"}, services(n.Calls)); diff != "" {
		t.Error(diff)
	}
	n.Actual.Workloads["web@surge1.service"] = left
	n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web", surge, "args: [third]"), reconciletest.Command))
	if diff := cmp.Diff([]string{"stop web@surge1", "remove-unit web@surge1"}, services(n.Calls)); diff != "" {
		t.Error(diff)
	}
}

// TestNothingStandsInUnwatched has no surge instance if no pass waits for the update: it would be removed before it is of use.
func TestNothingStandsInUnwatched(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web", surge), reconciletest.Command))
	if _, calls, err := n.Apply(t, reconciletest.Resolve(t, reconciletest.Container("web", surge, "args: [other]"), reconciletest.Command), diff.Options{Unwatched: true}); err != nil {
		t.Error(err)
	} else if diff := cmp.Diff([]string{"restart web"}, services(calls)); diff != "" {
		t.Error(diff)
	}
}

func TestSparesAreThereBesideAllReplicas(t *testing.T) {
	t.Parallel()
	pod := func(args string) string {
		return reconciletest.Header + "Pod\nmetadata: {name: web}\nspec:\n  replicas: 2\n  updatePolicy: {maxSurge: 1}\n  containers:\n  - {name: server, image: example.com/app:1, args: [" + args + "]}\n"
	}
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, pod("one"), reconciletest.Command))
	n.MustApply(t, reconciletest.Resolve(t, pod("two"), reconciletest.Command))
	want := []string{"start web@surge1", "restart web@1", "restart web@2", "stop web@surge1", "remove-unit web@surge1"}
	if diff := cmp.Diff(want, services(n.Calls)); diff != "" {
		t.Error(diff)
	}
}

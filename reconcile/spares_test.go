package reconcile

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
	n := newNode()
	n.mustApply(t, resolve(t, container("web", surge), command))
	desired := resolve(t, container("web", surge, "args: [other]"), command)
	plan := n.mustApply(t, desired)
	want := []string{"start web@surge1", "restart web", "stop web@surge1", "remove-unit web@surge1"}
	if diff := cmp.Diff(want, services(n.calls)); diff != "" {
		t.Error(diff)
	}
	if reloads := strings.Count(strings.Join(verbs(plan), "\n"), "reload"); reloads != 1 {
		t.Errorf("%d reloads", reloads)
	}
	if rest := Diff(desired, n.actual, Options{}); !rest.Empty() {
		t.Errorf("a second apply would still do %v", verbs(rest))
	}
}

// TestASpareThatDoesNotWork leaves what runs alone: the new version does not work.
func TestASpareThatDoesNotWork(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.mustApply(t, resolve(t, container("web", surge), command))
	n.fail = map[string]error{"start web@surge1.service": errors.New("not ready")}
	if _, calls, err := n.apply(t, resolve(t, container("web", surge, "args: [other]"), command), Options{}); err == nil {
		t.Error("no error")
	} else if diff := cmp.Diff([]string{"start web@surge1", "stop web@surge1", "remove-unit web@surge1"}, services(calls)); diff != "" {
		t.Error(diff)
	}
}

// TestASpareOfAnInterruptedChange serves where it is needed, and goes where it is not.
func TestASpareOfAnInterruptedChange(t *testing.T) {
	t.Parallel()
	n := newNode()
	first := resolve(t, container("web", surge), command)
	n.mustApply(t, first)
	n.fail = map[string]error{"restart web.service": errors.New("killed"), "stop web@surge1.service": errors.New("killed")}
	if _, _, err := n.apply(t, resolve(t, container("web", surge, "args: [other]"), command), Options{}); err == nil {
		t.Fatal("no error")
	}
	n.fail = map[string]error{}
	left := n.actual.Workloads["web@surge1.service"]
	if left.Active != "active" {
		t.Fatalf("the spare is %q", left.Active)
	}
	n.mustApply(t, resolve(t, container("web", surge, "args: [third]"), command))
	if diff := cmp.Diff([]string{"restart web", "stop web@surge1", "remove-unit web@surge1"}, services(n.calls)); diff != "" {
		t.Error(diff)
	}
	n.actual.Workloads["web@surge1.service"] = left
	n.mustApply(t, resolve(t, container("web", surge, "args: [third]"), command))
	if diff := cmp.Diff([]string{"stop web@surge1", "remove-unit web@surge1"}, services(n.calls)); diff != "" {
		t.Error(diff)
	}
}

// TestNothingStandsInUnwatched for what nobody waits for: it would be gone before it is of use.
func TestNothingStandsInUnwatched(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.mustApply(t, resolve(t, container("web", surge), command))
	if _, calls, err := n.apply(t, resolve(t, container("web", surge, "args: [other]"), command), Options{Unwatched: true}); err != nil {
		t.Error(err)
	} else if diff := cmp.Diff([]string{"restart web"}, services(calls)); diff != "" {
		t.Error(diff)
	}
}

func TestSparesAreThereBesideAllReplicas(t *testing.T) {
	t.Parallel()
	pod := func(args string) string {
		return header + "Pod\nmetadata: {name: web}\nspec:\n  replicas: 2\n  updatePolicy: {maxSurge: 1}\n  containers:\n  - {name: server, image: example.com/app:1, args: [" + args + "]}\n"
	}
	n := newNode()
	n.mustApply(t, resolve(t, pod("one"), command))
	n.mustApply(t, resolve(t, pod("two"), command))
	want := []string{"start web@surge1", "restart web@1", "restart web@2", "stop web@surge1", "remove-unit web@surge1"}
	if diff := cmp.Diff(want, services(n.calls)); diff != "" {
		t.Error(diff)
	}
}

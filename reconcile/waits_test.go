package reconcile_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
	"github.com/davit-project/davit/units/names"
)

// waiting returns a plan's actions that wait for an event outside of it: the action, and the event.
func waiting(plan reconcile.Plan) []string {
	var waits []string
	for _, action := range plan.Actions {
		if action.Waits != "" {
			waits = append(waits, action.ID+": "+action.Waits)
		}
	}
	return waits
}

// action is the action of a plan with the id.
func action(t *testing.T, plan reconcile.Plan, id string) reconcile.Action {
	t.Helper()
	i := slices.IndexFunc(plan.Actions, func(a reconcile.Action) bool { return a.ID == id })
	if i < 0 {
		t.Fatalf("no %q in %v", id, reconciletest.Verbs(plan))
	}
	return plan.Actions[i]
}

func TestADependantWaitsForWhatHasFailed(t *testing.T) {
	t.Parallel()
	text := reconciletest.Container("migrate", "oneshot: true", "restartPolicy: Never") + reconciletest.Container("app", "dependsOn: [{name: migrate, condition: Completed}]")
	n := reconciletest.NewNode()
	desired := reconciletest.Resolve(t, text, reconciletest.Command)
	n.MustApply(t, desired)
	for unit, active := range map[string]string{"migrate.service": "failed", "app.service": "inactive"} {
		current := n.Actual.Workloads[unit]
		current.Active, current.Result, current.RunningDir, current.Started = names.ActiveState(active), "exit-code", "", active == "failed"
		n.Actual.Workloads[unit] = current
	}
	plan := diff.Diff(desired, n.Actual, diff.Options{})
	want := []string{"start app.service: waits for Container/migrate, which is failed (exit-code)"}
	if diff := cmp.Diff(want, waiting(plan)); diff != "" {
		t.Error(diff)
	}
	if start := action(t, plan, "start app.service"); !start.Blocked || len(plan.Actions) != 1 {
		t.Errorf("the start is %+v in %v", start, reconciletest.Verbs(plan))
	}
	// Another version of the failed object is tried, and the dependent with it.
	changed := reconciletest.Resolve(t, strings.Replace(text, "oneshot: true", "oneshot: true\n  args: [other]", 1), reconciletest.Command)
	if plan := diff.Diff(changed, n.Actual, diff.Options{}); len(waiting(plan)) > 0 {
		t.Errorf("waits: %v", waiting(plan))
	}
}

func TestADependantWaitsForWhatIsNotOnTheNodeYet(t *testing.T) {
	t.Parallel()
	objects := reconciletest.Load(t, strings.Replace(reconciletest.Container("db"), "app:1", "db:1", 1)+reconciletest.Container("web", "dependsOn: [{name: db, condition: Ready}]"))
	images := reconciletest.Resolved(objects, reconciletest.Command)
	for request := range images {
		if request.Reference == "example.com/db:1" {
			images[request] = resolve.ImageResult{Err: reconcile.Waiting{For: "answer of a registry"}}
		}
	}
	plan := diff.Diff(resolve.Resolve(resolve.Input{Objects: objects, Images: images, Node: reconciletest.TestNode}), reconciletest.NewNode().Actual, diff.Options{})
	if diff := cmp.Diff([]string{"start web.service: waits for Container/db, which is not on the node yet"}, waiting(plan)); diff != "" {
		t.Error(diff)
	}
}

// TestAStartWaitsForAStopOnlyWhereBothNeedTheSame starts a container that publishes the port of a removed one after that one has
// stopped, and all others at once.
func TestAStartWaitsForAStopOnlyWhereBothNeedTheSame(t *testing.T) {
	t.Parallel()
	const port = "ports: [{containerPort: 80, hostPort: 8080}]"
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("old", port), reconciletest.Command))
	plan := diff.Diff(reconciletest.Resolve(t, reconciletest.Container("new", port)+reconciletest.Container("other"), reconciletest.Command), n.Actual, diff.Options{})
	if got := action(t, plan, "start new.service").After; !slices.Contains(got, "stop old.service") {
		t.Errorf("new waits for %v", got)
	}
	if got := action(t, plan, "start other.service").After; len(got) > 0 {
		t.Errorf("other waits for %v", got)
	}
}

// TestReplicasTakeTurnsOverPasses replaces the next replica once the one before is up, whichever pass
// began it.
func TestReplicasTakeTurnsOverPasses(t *testing.T) {
	t.Parallel()
	pod := func(args string) string {
		return reconciletest.Header + "Pod\nmetadata: {name: web}\nspec:\n  replicas: 3\n  hostNetwork: true\n  containers:\n  - {name: server, image: example.com/app:1, args: [" + args + "]}\n"
	}
	s := newSimulation()
	run := func(text, digest string, seconds int) {
		for range seconds {
			s.pass(reconciletest.Load(t, text), digest)
			s.tick()
		}
	}
	run(pod("one"), "one", 20)
	s.Calls = nil
	for second := range 45 {
		run(pod("two"), "two", 1)
		down := 0
		for _, unit := range []string{"web@1.service", "web@2.service", "web@3.service"} {
			if s.Actual.Workloads[unit].Active != "active" {
				down++
			}
		}
		if down > 1 {
			t.Fatalf("%d replicas are down after %d s: %v", down, second, services(s.Calls))
		}
	}
	if diff := cmp.Diff([]string{"restart web@1", "restart web@2", "restart web@3"}, services(s.Calls)); diff != "" {
		t.Error(diff)
	}
}

// TestAnObjectIsSwitchedAsAWhole writes no unit of a pod before the images of all its containers are there.
func TestAnObjectIsSwitchedAsAWhole(t *testing.T) {
	t.Parallel()
	text := reconciletest.Header + "Pod\nmetadata: {name: pod}\nspec:\n  containers:\n  - {name: a, image: example.com/app:1}\n  - {name: b, image: example.com/other:12}\n---\n" + reconciletest.Container("web")
	n := reconciletest.NewNode()
	n.Fail["pull example.com/other:12"] = reconcile.Waiting{For: "pull"}
	if _, calls, err := n.Apply(t, reconciletest.Resolve(t, text, reconciletest.Command), diff.Options{}); err != nil {
		t.Error(err)
	} else if diff := cmp.Diff([]string{"start web"}, services(calls)); diff != "" {
		t.Error(diff)
	}
	delete(n.Fail, "pull example.com/other:12")
	_, calls, err := n.Apply(t, reconciletest.Resolve(t, text, reconciletest.Command), diff.Options{})
	if got := services(calls); err != nil || len(got) != 3 {
		t.Errorf("%v: %v", err, got)
	}
}

// TestAUnitThatSystemdDoesNotEnableFailsAlone starts the others.
func TestAUnitThatSystemdDoesNotEnableFailsAlone(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.Refuse = map[string]error{"web.service": errors.New("refused")}
	_, calls, err := n.Apply(t, reconciletest.Resolve(t, reconciletest.Container("web")+reconciletest.Container("db"), reconciletest.Command), diff.Options{})
	if err == nil || err.Error() != "write-unit Container/web: refused" {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff([]string{"start db"}, services(calls)); diff != "" {
		t.Error(diff)
	}
}

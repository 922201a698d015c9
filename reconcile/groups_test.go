package reconcile_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
)

// on is a container of an image on networks.
func on(name, image, networks string, spec ...string) string {
	return strings.Replace(reconciletest.Container(name, append(spec, "networks: ["+networks+"]")...), "app:1", image, 1)
}

func netOf(name, subnet string) string {
	return strings.ReplaceAll(lab(subnet), "lab", name)
}

// TestWhatStopsTogetherRunsOnUntilAllOfItIsThere changes a neighbour of containers in a way that makes them stop, and
// to an image that is not there.
func TestWhatStopsTogetherRunsOnUntilAllOfItIsThere(t *testing.T) {
	t.Parallel()
	const port = "ports: [{containerPort: 80, hostPort: "
	for name, test := range map[string]struct{ before, after string }{
		"a network changes": {
			lab("10.77.0.0/24") + on("a", "app:1", "{name: lab}") + on("b", "app:1", "{name: lab}"),
			lab("10.78.0.0/24") + on("a", "db:1", "{name: lab}") + on("b", "app:1", "{name: lab}"),
		},
		"two networks change, with a container on both": {
			netOf("one", "10.77.0.0/24") + netOf("two", "10.87.0.0/24") + on("a", "app:1", "{name: one}") + on("b", "app:1", "{name: two}") + on("c", "app:1", "{name: one}, {name: two}"),
			netOf("one", "10.78.0.0/24") + netOf("two", "10.88.0.0/24") + on("a", "db:1", "{name: one}") + on("b", "app:1", "{name: two}") + on("c", "app:1", "{name: one}, {name: two}"),
		},
		"a dependant on another network": {
			lab("10.77.0.0/24") + netOf("two", "10.87.0.0/24") + on("a", "app:1", "{name: two}", "dependsOn: [{name: b, condition: Ready}]") + on("b", "app:1", "{name: lab}"),
			lab("10.78.0.0/24") + netOf("two", "10.87.0.0/24") + on("a", "db:1", "{name: two}", "dependsOn: [{name: b, condition: Ready}]") + on("b", "app:1", "{name: lab}"),
		},
		"a container becomes a pod": {
			lab("10.77.0.0/24") + on("a", "app:1", "{name: lab}") + on("b", "app:1", "{name: lab}"),
			lab("10.78.0.0/24") + reconciletest.Header + "Pod\nmetadata: {name: a}\nspec: {hostNetwork: true, containers: [{name: x, image: example.com/db:1}]}\n---\n" + on("b", "app:1", "{name: lab}"),
		},
		"two swap their ports": {
			reconciletest.Container("a", port+"8080}]") + reconciletest.Container("b", port+"8081}]"),
			strings.Replace(reconciletest.Container("a", port+"8081}]"), "app:1", "db:1", 1) + reconciletest.Container("b", port+"8080}]"),
		},
	} {
		for _, failure := range []error{reconcile.Waiting{For: "pull"}, errors.New("refused")} {
			t.Run(name+", "+failure.Error(), func(t *testing.T) {
				t.Parallel()
				n := reconciletest.NewNode()
				n.MustApply(t, reconciletest.Resolve(t, test.before, reconciletest.Command))
				after := reconciletest.Resolve(t, test.after, reconciletest.Command)
				n.Fail["pull example.com/db:1"] = failure
				for range 3 {
					_, calls, _ := n.Apply(t, after, diff.Options{})
					if i := slices.IndexFunc(calls, func(call string) bool { return strings.HasPrefix(call, "stop") || strings.HasPrefix(call, "network") }); i >= 0 {
						t.Fatalf("%s, before the image of its neighbour is there", calls[i])
					}
				}
				delete(n.Fail, "pull example.com/db:1")
				n.MustApply(t, after)
				for unit, workload := range after.Workloads {
					if current := n.Actual.Workloads[unit]; current.Active != "active" || current.RunningDir != workload.BundleDir {
						t.Errorf("then %s is %s from %q", unit, current.Active, current.RunningDir)
					}
				}
			})
		}
	}
}

// TestANetworkStaysWhileARegistryIsAskedAboutItsUsers changes it once its users can leave it.
func TestANetworkStaysWhileARegistryIsAskedAboutItsUsers(t *testing.T) {
	t.Parallel()
	s := newSimulation()
	text := lab("10.77.0.0/24") + on("a", "app:1", "{name: lab}") + on("b", "app:1", "{name: lab}")
	before, after := reconciletest.Load(t, text), reconciletest.Load(t, lab("10.78.0.0/24")+on("a", "db:1", "{name: lab}")+on("b", "app:1", "{name: lab}"))
	run := func(check func()) {
		for range 10 {
			s.pass(after, "two")
			check()
			s.tick()
		}
	}
	for range 20 {
		s.pass(before, "one")
		s.tick()
	}
	s.available = func(reference string) bool { return reference != "example.com/db:1" }
	s.Calls = nil
	run(func() {
		for _, unit := range []string{"a.service", "b.service"} {
			if s.Actual.Workloads[unit].Active != "active" {
				t.Fatalf("%s is %s after %v", unit, s.Actual.Workloads[unit].Active, s.Calls)
			}
		}
		if slices.Contains(s.Calls, "network lab") {
			t.Fatalf("the network changed under a: %v", s.Calls)
		}
	})
	s.available = func(string) bool { return true }
	run(func() {})
	if desired := s.desire(after); !s.runs("a.service", desired) || !s.runs("b.service", desired) || !slices.Contains(s.Calls, "network lab") {
		t.Errorf("it is not changed afterwards: %v", s.Calls)
	}
}

// TestANetworkChangesOnceADependantHasStopped has the restart of db take along web, which is on the network.
func TestANetworkChangesOnceADependantHasStopped(t *testing.T) {
	t.Parallel()
	text := func(subnet, args string) string {
		return lab(subnet) + reconciletest.Container("db", "args: ["+args+"]") + on("web", "app:1", "{name: lab}", "dependsOn: [{name: db, condition: Ready}]")
	}
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, text("10.77.0.0/24", "one"), reconciletest.Command))
	plan := n.MustApply(t, reconciletest.Resolve(t, text("10.78.0.0/24", "two"), reconciletest.Command))
	if got := action(t, plan, "change-network lab").Needs; !slices.Contains(got, "stop db.service") {
		t.Errorf("the network changes after %v", got)
	}
}

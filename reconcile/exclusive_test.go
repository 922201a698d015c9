package reconcile_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/davit-project/davit/reconcile/claims"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
)

// pods are manifests of a pod with replicas that has a port of the node.
func replicated(name string, port, replicas int) string {
	return reconciletest.Header + fmt.Sprintf("Pod\nmetadata: {name: %s}\nspec:\n  replicas: %d\n  containers:\n  - {name: main, image: example.com/app:1, ports: [{containerPort: 80, hostPort: %d}]}\n---\n", name, replicas, port)
}

func publishing(name string, port int, more ...string) string {
	return reconciletest.Container(name, append(more, fmt.Sprintf("ports: [{containerPort: 80, hostPort: %d}]", port))...)
}

// publishingRange is a container that has a range of ports of the node, under the same numbers.
func publishingRange(name string, first, last int) string {
	return reconciletest.Container(name, fmt.Sprintf("ports: [{containerPort: %d, endPort: %d, hostPort: %d, protocol: UDP}]", first, last, first))
}

func writing(name, volume string, more ...string) string {
	return reconciletest.Container(name, append(more, "volumeMounts: [{name: "+volume+", mountPath: /d}]")...)
}

const volumes = reconciletest.Header + "Volume\nmetadata: {name: one}\n---\n" + reconciletest.Header + "Volume\nmetadata: {name: two}\n---\n"

// TestWhatIsSwappedHasOneUserAtATime makes changes that give things from one object to another, with stops that take a while: no
// exclusive thing ever has two users, and unchanged objects continue to run.
func TestWhatIsSwappedHasOneUserAtATime(t *testing.T) {
	t.Parallel()
	const recreate = "updatePolicy: {strategy: Recreate}"
	addresses := func(a, b string) string {
		text := reconciletest.Header + "Network\nmetadata: {name: lab}\nspec: {subnets: [{subnet: 10.77.0.0/24}]}\n---\n"
		for name, address := range map[string]string{"a": a, "b": b} {
			text += reconciletest.Container(name, "networks: [{name: lab, addresses: ["+address+"]}]")
		}
		return text
	}
	for name, test := range map[string]struct{ before, after string }{
		"two swap their ports":             {publishing("a", 8080) + publishing("b", 8081), publishing("a", 8081) + publishing("b", 8080)},
		"two swap them, with Recreate":     {publishing("a", 8080, recreate) + publishing("b", 8081, recreate), publishing("a", 8081, recreate) + publishing("b", 8080, recreate)},
		"three pass their ports on":        {publishing("a", 1) + publishing("b", 2) + publishing("c", 3), publishing("a", 2) + publishing("b", 3) + publishing("c", 1)},
		"one takes another's port":         {publishing("a", 8080) + publishing("b", 8081), publishing("a", 8081) + publishing("b", 8082)},
		"a new one takes another's":        {publishing("a", 8080), reconciletest.Container("a") + publishing("b", 8080)},
		"replicas swap with a container":   {replicated("r", 8080, 3) + publishing("b", 8081), replicated("r", 8081, 3) + publishing("b", 8080)},
		"a container takes replicas' port": {replicated("r", 8080, 3) + reconciletest.Container("b"), replicated("r", 8081, 3) + publishing("b", 8080)},
		"two swap their ranges of ports":   {publishingRange("a", 9000, 9099) + publishingRange("b", 9100, 9199), publishingRange("a", 9100, 9199) + publishingRange("b", 9000, 9099)},
		"a range moves to another's":       {publishingRange("a", 9000, 9099) + publishingRange("b", 9100, 9199), publishingRange("a", 9200, 9299) + publishingRange("b", 9050, 9149)},
		"a range shrinks for another port": {publishingRange("a", 9000, 9099) + reconciletest.Container("b"), publishingRange("a", 9000, 9049) + publishing("b", 9080)},
		"two swap their volumes":           {volumes + writing("a", "one") + writing("b", "two"), volumes + writing("a", "two") + writing("b", "one")},
		"two swap their addresses":         {addresses("10.77.0.10", "10.77.0.11"), addresses("10.77.0.11", "10.77.0.10")},
		"two swap their names":             {publishing("a", 8080, "args: [a]") + publishing("b", 8081, "args: [b]"), publishing("a", 8081, "args: [b]") + publishing("b", 8080, "args: [a]")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulation()
			s.behave = func(unit, _ string) behaviour { // so that an action which does not wait starts too early
				return behaviour{start: time.Second, stop: time.Duration(1+unit[0]%5*3) * time.Second}
			}
			stay := reconciletest.Container("stay")
			before, after := reconciletest.Load(t, test.before+stay), reconciletest.Load(t, test.after+stay)
			for range 30 {
				s.pass(before, "before")
				s.tick()
			}
			s.Calls = nil
			for second := range 120 {
				s.pass(after, "after")
				if users := s.shared(); len(users) > 0 {
					t.Fatalf("after %d s: %v, after %v", second, users, services(s.Calls))
				}
				s.tick()
			}
			for unit := range s.desire(after).Workloads {
				if !s.runs(unit, s.desire(after)) {
					t.Errorf("%s is %s %s after %v", unit, s.Actual.Workloads[unit].Active, s.Actual.Workloads[unit].Job, services(s.Calls))
				}
			}
			if slices.ContainsFunc(s.Calls, func(call string) bool { return strings.Contains(call, "stay") }) {
				t.Errorf("another container was touched: %v", s.Calls)
			}
			if rest := s.pass(after, "after"); !rest.Empty() {
				t.Errorf("there is still to do: %v", reconciletest.Verbs(rest))
			}
		})
	}
}

// shared are the things that containers of two objects have at once and of which one was not to have it.
func (s *simulation) shared() []string {
	var found []string
	type use struct {
		claims.Claim
		user string
	}
	var uses []use
	for _, unit := range slices.Sorted(maps.Keys(s.Actual.Workloads)) {
		current := s.Actual.Workloads[unit]
		runs := current.Bundle
		if current.RunningDir != current.BundleDir {
			runs = current.Running
		}
		if current.RunningDir == "" || current.IsDown() {
			continue
		}
		for _, claim := range claims.Of(runs, "") {
			for _, other := range uses {
				if other.Overlaps(claim) && other.user != current.Ref.String() {
					found = append(found, fmt.Sprintf("%s has %s, as %s has", unit, claim, other.user))
				}
			}
			uses = append(uses, use{claim, current.Ref.String()})
		}
	}
	return found
}

// TestReplicasGiveAPortUpInTurn keeps all but one of them running while another object waits for their port.
func TestReplicasGiveAPortUpInTurn(t *testing.T) {
	t.Parallel()
	s := newSimulation()
	before, after := reconciletest.Load(t, replicated("r", 8080, 3)+reconciletest.Container("b")), reconciletest.Load(t, replicated("r", 8081, 3)+publishing("b", 8080))
	for range 30 {
		s.pass(before, "before")
		s.tick()
	}
	for second := range 40 {
		s.pass(after, "after")
		up := 0
		for number := range 3 {
			if s.Actual.Workloads[fmt.Sprintf("r@%d.service", number+1)].Active == "active" {
				up++
			}
		}
		if up < 2 {
			t.Fatalf("%d replicas are up after %d s: %v", up, second, services(s.Calls))
		}
		s.tick()
	}
}

// TestASwapWithoutLaterPassesStopsFirst has no pass that would follow a restart: the object that gives a thing up stops.
func TestASwapWithoutLaterPassesStopsFirst(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, publishing("a", 8080)+publishing("b", 8081), reconciletest.Command))
	_, calls, err := n.Apply(t, reconciletest.Resolve(t, publishing("a", 8081)+publishing("b", 8082), reconciletest.Command), diff.Options{Unwatched: true})
	if err != nil {
		t.Fatal(err)
	}
	stop, start := slices.Index(calls, "stop b.service"), slices.Index(calls, "restart a.service")
	if stop < 0 || start < stop || !slices.Contains(calls, "start b.service") {
		t.Errorf("a takes the port of b: %v", services(calls))
	}
}

// TestDependenciesAndSwapsDoNotWaitForEachOther changes objects that depend on each other and give things to each other.
func TestDependenciesAndSwapsDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	const onA = "dependsOn: [{name: a, condition: Ready}]"
	before := publishing("a", 8080) + publishing("b", 8081, onA) + publishing("c", 8082)
	for name, after := range map[string]string{
		"what is depended on takes":    publishing("a", 8081) + publishing("b", 8083, onA) + publishing("c", 8082),
		"what depends takes":           publishing("a", 8083) + publishing("b", 8080, onA) + publishing("c", 8082),
		"both swap":                    publishing("a", 8081) + publishing("b", 8080, onA) + publishing("c", 8082),
		"a third one is in between":    publishing("a", 8082) + publishing("b", 8080, onA) + publishing("c", 8081),
		"the other way round":          publishing("a", 8081) + publishing("b", 8082, onA) + publishing("c", 8080),
		"only what depends is swapped": publishing("a", 8080) + publishing("b", 8082, onA) + publishing("c", 8081),
	} {
		for _, unwatched := range []bool{false, true} {
			n := reconciletest.NewNode()
			n.MustApply(t, reconciletest.Resolve(t, before, reconciletest.Command))
			desired := reconciletest.Resolve(t, after, reconciletest.Command)
			if _, _, err := n.Apply(t, desired, diff.Options{Unwatched: unwatched}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if rest := diff.Diff(desired, n.Actual, diff.Options{}); !rest.Empty() {
				t.Errorf("%s: there is still to do: %v", name, reconciletest.Verbs(rest))
			}
		}
	}
}

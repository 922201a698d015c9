package reconcile_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
)

// shapes are objects of one name: each kind, and other settings that decide which units it has. main and side are the names of
// containers in all of them, so that pods of several have units in common.
var shapes = map[string]string{
	"Container":              reconciletest.Container("x"),
	"Container, Recreate":    reconciletest.Container("x", "updatePolicy: {strategy: Recreate}"),
	"oneshot Container":      reconciletest.Container("x", "oneshot: true"),
	"Container of sockets":   reconciletest.Container("x", "sockets: [{name: http, listenStream: 8080}]"),
	"Pod":                    reconciletest.Header + "Pod\nmetadata: {name: x}\nspec: {" + oneContainer + "}\n",
	"Pod of two":             reconciletest.Header + "Pod\nmetadata: {name: x}\nspec: {" + twoContainers + "}\n",
	"Pod with one on demand": reconciletest.Header + "Pod\nmetadata: {name: x}\nspec: {containers: [{name: main, image: 'example.com/app:1'}, {name: side, image: 'example.com/app:1', startWithPod: false}]}\n",
	"Deployment":             workloadOf("Deployment", "replicas: 2, "),
	"Deployment, Recreate":   workloadOf("Deployment", "replicas: 2, strategy: {type: Recreate}, "),
	"StatefulSet":            workloadOf("StatefulSet", "replicas: 2, serviceName: x, "),
	"DaemonSet":              workloadOf("DaemonSet", ""),
	"Job":                    jobOf(oneContainer, ""),
	"Job of two":             jobOf(twoContainers, ""),
	"indexed Job":            jobOf(oneContainer, "completions: 3, completionMode: Indexed, "),
	"CronJob":                cronJobOf(oneContainer, "Forbid"),
	"CronJob of two":         cronJobOf(twoContainers, "Forbid"),
	"CronJob, Replace":       cronJobOf(oneContainer, "Replace"),
	"CronJob, Allow":         cronJobOf(oneContainer, "Allow"),
}

const (
	oneContainer  = "containers: [{name: main, image: 'example.com/app:1'}]"
	twoContainers = "initContainers: [{name: side, image: 'example.com/app:1', restartPolicy: Always}], " + oneContainer
)

func workloadOf(kind, fields string) string {
	return "apiVersion: apps/v1\nkind: " + kind + "\nmetadata: {name: x}\nspec: {selector: {matchLabels: {a: b}}, " + fields +
		"template: {metadata: {labels: {a: b}}, spec: {" + oneContainer + "}}}\n"
}

func jobOf(pod, fields string) string {
	return "apiVersion: batch/v1\nkind: Job\nmetadata: {name: x}\nspec: {" + fields + "template: {spec: {restartPolicy: Never, " + pod + "}}}\n"
}

func cronJobOf(pod, policy string) string {
	return "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: x}\nspec: {schedule: '* * * * *', concurrencyPolicy: " + policy +
		", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, " + pod + "}}}}}\n"
}

// TestEveryKindFollowsEveryOther applies each shape and then each other one of the same name: no unit of the first exists after
// that, and all units of the second that davit starts run.
func TestEveryKindFollowsEveryOther(t *testing.T) {
	t.Parallel()
	for _, from := range slices.Sorted(maps.Keys(shapes)) {
		for _, to := range slices.Sorted(maps.Keys(shapes)) {
			if from == to {
				continue
			}
			t.Run(from+" becomes "+to, func(t *testing.T) {
				t.Parallel()
				n := reconciletest.NewNode()
				old, next := reconciletest.Resolve(t, shapes[from], reconciletest.Command), reconciletest.Resolve(t, shapes[to], reconciletest.Command)
				n.MustApply(t, old)
				for name, current := range n.Actual.Workloads { // runs of a CronJob, and units that sockets start
					current.Active, current.RunningDir, current.Started = "active", current.BundleDir, true
					n.Actual.Workloads[name] = current
				}
				n.MustApply(t, next)
				checkTaken(t, n, old, next)
			})
		}
	}
}

// TestEveryKindComesBackWhileItStops has a name become each other shape, and return at once: davit stopped its units, and not an
// operator.
func TestEveryKindComesBackWhileItStops(t *testing.T) {
	t.Parallel()
	for _, from := range slices.Sorted(maps.Keys(shapes)) {
		for _, to := range slices.Sorted(maps.Keys(shapes)) {
			if from == to {
				continue
			}
			t.Run(from+" was to become "+to, func(t *testing.T) {
				t.Parallel()
				s := newSimulation()
				old, next := reconciletest.Load(t, shapes[from]), reconciletest.Load(t, shapes[to])
				advance := func(objects []object.Object, digest string, seconds int) {
					for range seconds {
						s.pass(objects, digest)
						s.tick()
					}
				}
				advance(old, "old", 10)
				advance(next, "next", 1)
				advance(old, "old again", 30)
				for unit, workload := range s.desire(old).Workloads {
					starts := workload.Keep == reconcile.KeepRunning || workload.Keep == reconcile.KeepStarted
					if current := s.Actual.Workloads[unit]; starts && !current.IsSettled(workload) {
						t.Errorf("%s is %s, runs %q: %v", unit, current.Active, current.RunningDir, services(s.Calls))
					}
				}
			})
		}
	}
}

// checkTaken checks that a node has the desired units, and none of the earlier ones.
func checkTaken(t *testing.T, n *reconciletest.Node, old, desired reconcile.Desired) {
	t.Helper()
	for unit, current := range n.Actual.Workloads {
		workload, wanted := desired.Workloads[unit]
		switch {
		case !wanted:
			t.Errorf("%s is there still", unit)
		case current.Ref != workload.Ref:
			t.Errorf("%s is of %s", unit, current.Ref)
		case (workload.Keep == reconcile.KeepRunning || workload.Keep == reconcile.KeepStarted) && (!current.IsRunning() || current.RunningDir != workload.BundleDir):
			t.Errorf("%s is %s, runs %s, wanted %s", unit, current.Active, current.RunningDir, workload.BundleDir)
		case current.RunningDir != workload.BundleDir && current.RunningDir != "" && old.Workloads[unit].Ref != workload.Ref:
			t.Errorf("%s runs %s", unit, current.RunningDir)
		}
	}
	if len(n.Actual.Workloads) != len(desired.Workloads) {
		t.Errorf("there are %v", slices.Sorted(maps.Keys(n.Actual.Workloads)))
	}
	for unit, workload := range desired.Workloads {
		stop, write := slices.Index(n.Calls, "stop "+unit), slices.Index(n.Calls, "unit "+unit)
		if before := old.Workloads[unit].Ref; before != workload.Ref && before.Name != "" && !strings.HasSuffix(unit, ".slice") && (stop < 0 || stop > write) {
			t.Errorf("%s did not stop as what it was before its file was written: %v", unit, n.Calls)
		}
	}
	if rest := diff.Diff(desired, n.Actual, diff.Options{}); !rest.Empty() {
		t.Errorf("a second apply would still do %v", reconciletest.Verbs(rest))
	}
}

// TestAUnitOfAnotherObjectStopsFirst lets the stop of a Container take its time: neither the CronJob's file nor its
// timer is in place before.
func TestAUnitOfAnotherObjectStopsFirst(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, shapes["Container"], reconciletest.Command))
	desired := reconciletest.Resolve(t, shapes["CronJob"], reconciletest.Command)
	current := n.Actual.Workloads["x.service"]
	current.Active, current.Job = "deactivating", "stop"
	n.Actual.Workloads["x.service"] = current
	_, calls, err := n.Apply(t, desired, diff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []string{"unit x.service", "start x.timer"} {
		if slices.Contains(calls, call) {
			t.Errorf("%s while the container stops: %v", call, calls)
		}
	}
	current.Active, current.Job, current.RunningDir = "inactive", "", ""
	n.Actual.Workloads["x.service"] = current
	_, calls, err = n.Apply(t, desired, diff.Options{})
	if err != nil || !slices.Contains(calls, "unit x.service") || !slices.Contains(calls, "start x.timer") || slices.Contains(calls, "start x.service") {
		t.Errorf("once it has stopped: %v %v", calls, err)
	}
}

// TestAStopByHandIsOfOneObject starts the successor of an object that an operator stopped.
func TestAStopByHandIsOfOneObject(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, reconciletest.Header+"Pod\nmetadata: {name: a}\nspec: {containers: [{name: b, image: 'example.com/app:1'}]}\n", reconciletest.Command))
	current := n.Actual.Workloads["a-b.service"]
	current.Active, current.RunningDir = "inactive", ""
	n.Actual.Workloads["a-b.service"] = current
	n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("a-b"), reconciletest.Command))
	if current := n.Actual.Workloads["a-b.service"]; current.Active != "active" || current.Ref.Kind != "Container" {
		t.Errorf("it is %s of %s", current.Active, current.Ref)
	}
}

// TestAnObjectStaysUntilItsSuccessorIsPossible keeps a Container while the image of the Pod of its name cannot be
// resolved or pulled, and while a unit that is not davit's has the name of the Pod's.
func TestAnObjectStaysUntilItsSuccessorIsPossible(t *testing.T) {
	t.Parallel()
	objects := reconciletest.Load(t, shapes["Pod"])
	unresolved := reconciletest.Resolved(objects, reconciletest.Command)
	for request := range unresolved {
		unresolved[request] = resolve.ImageResult{Err: errors.New("no answer")}
	}
	for name, test := range map[string]struct {
		images  map[reconcile.ImageRequest]resolve.ImageResult
		foreign map[string]string
		fail    map[string]error
	}{
		"its image is not known":    {images: unresolved},
		"its unit is another's":     {foreign: map[string]string{"x-main.service": "/etc/systemd/system/x-main.service"}},
		"its bundle is not written": {fail: map[string]error{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := reconciletest.NewNode()
			n.MustApply(t, reconciletest.Resolve(t, shapes["Container"], reconciletest.Command))
			images := test.images
			if images == nil {
				images = reconciletest.Resolved(objects, reconciletest.Command)
			}
			desired := resolve.Resolve(resolve.Input{Objects: objects, Images: images, Node: reconciletest.TestNode})
			if n.Actual.Foreign = test.foreign; test.fail != nil {
				n.Fail["bundle "+desired.Workloads["x-main.service"].BundleDir] = errors.New("no space")
			}
			plan, calls, _ := n.Apply(t, desired, diff.Options{})
			if n.Actual.Workloads["x.service"].Active != "active" {
				t.Errorf("the container was stopped: %v", calls)
			}
			if len(n.Fail) == 0 && !slices.ContainsFunc(plan.Held, func(h reconcile.Held) bool { return h.Object == "Container/x" && strings.Contains(h.Reason, "Pod/x") }) {
				t.Errorf("nothing says so: %v", plan.Held)
			}
			n.Fail, n.Actual.Foreign = map[string]error{}, nil
			n.MustApply(t, resolve.Resolve(resolve.Input{Objects: objects, Images: reconciletest.Resolved(objects, reconciletest.Command), Node: reconciletest.TestNode}))
			if diff := cmp.Diff([]string{"x-main.service"}, slices.Sorted(maps.Keys(n.Actual.Workloads))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// drawKinds draws which kind each name has, or that it has none.
func drawKinds(t *rapid.T, kinds map[string]string) {
	drawn := slices.DeleteFunc(slices.Sorted(maps.Keys(shapes)), func(kind string) bool { return kind == "Container of sockets" }) // one may listen
	for _, name := range []string{"x", "y", "z"} {
		switch i := rapid.IntRange(-len(drawn), len(drawn)).Draw(t, "kind of "+name); {
		case i == 0:
			delete(kinds, name)
		case i > 0:
			kinds[name] = drawn[i-1]
		}
	}
}

// loadKinds loads objects, each of the kind that has its name.
func loadKinds(t *rapid.T, kinds map[string]string) ([]object.Object, string) {
	text := ""
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		one := strings.ReplaceAll(shapes[kinds[name]], "name: x}", "name: "+name+"}")
		text += strings.TrimSuffix(one, "---\n") + "---\n"
	}
	set := manifests.Load([]manifests.File{{Path: "/app.yaml", Text: []byte(text)}}, manifests.Options{})
	if err := set.Diagnostics.Err(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return set.Objects, text
}

// TestKindsConverge walks through random histories in which names change their kinds, also while what they were
// still starts or stops, and runs of CronJobs begin at any time. Two objects of one name never run at once, and in the end
// what is wanted runs and nothing else is there.
//
// fault: names change their kinds at any time | never do two objects of one name run; the newest one does in the end
func TestKindsConverge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, kinds := newSimulation(), map[string]string{}
		s.steady = true
		s.behave = func(unit, dir string) behaviour {
			n := len(unit) + int((dir + "0")[len(dir)])
			return behaviour{start: time.Duration(n%3) * time.Second, stop: time.Duration(n%7) * time.Second}
		}
		var objects []object.Object
		var digest string
		advance := func(seconds int) {
			for range seconds {
				s.pass(objects, digest)
				if both := s.namesakes(); both != "" {
					t.Fatalf("%s, after %v", both, services(s.Calls))
				}
				s.tick()
			}
		}
		for range rapid.IntRange(2, 6).Draw(t, "edits") {
			drawKinds(t, kinds)
			objects, digest = loadKinds(t, kinds)
			advance(rapid.SampledFrom([]int{0, 1, 2, 5, 20}).Draw(t, "seconds"))
			wanted := s.wanted(objects, digest).Workloads
			for _, unit := range slices.Sorted(maps.Keys(s.Actual.Workloads)) {
				current := s.Actual.Workloads[unit]
				if desired := wanted[unit]; current.IsDown() && desired.Keep == reconcile.KeepApart && desired.Ref == current.Ref && !current.NeedReload && rapid.Bool().Draw(t, "run of "+unit) {
					s.begin(unit, &current)
					s.Actual.Workloads[unit] = current
				}
			}
		}
		advance(60)
		desired := s.desire(objects)
		for unit, workload := range desired.Workloads {
			current := s.Actual.Workloads[unit]
			if starts := workload.Keep == reconcile.KeepRunning || workload.Keep == reconcile.KeepStarted; starts && !current.IsSettled(workload) || current.Ref != workload.Ref {
				t.Fatalf("%s of %s is %s %s, runs %q, wanted %s", unit, current.Ref, current.Active, current.Job, current.RunningDir, workload.BundleDir)
			}
		}
		if rest := s.pass(objects, digest); !rest.Empty() {
			t.Fatalf("there is still to do: %v", reconciletest.Verbs(rest))
		}
		if len(s.Actual.Workloads) != len(desired.Workloads) {
			t.Fatalf("there are %v", slices.Sorted(maps.Keys(s.Actual.Workloads)))
		}
	})
}

// namesakes says which two objects of one name run at once; "" for none.
func (s *simulation) namesakes() string {
	runs := map[string]string{}
	for _, unit := range slices.Sorted(maps.Keys(s.Actual.Workloads)) {
		current := s.Actual.Workloads[unit]
		b := current.Bundle
		if current.RunningDir != current.BundleDir {
			b = current.Running
		}
		if current.RunningDir == "" || current.IsDown() || b == nil {
			continue
		}
		_, name, _ := strings.Cut(b.Object, "/")
		if other := runs[name]; other != "" && other != b.Object {
			return fmt.Sprintf("%s and %s run", other, b.Object)
		}
		runs[name] = b.Object
	}
	return ""
}

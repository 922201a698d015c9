package reconcile_test

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
)

var operations = flag.Int("operations", 10, "how many operations there are in a history of an operator")

// parts are the objects in the histories of an operator, each with its version in the place of VERSION.
var parts = map[string]string{
	"app": `apiVersion: v1
kind: Pod
metadata: {name: app}
spec:
  initContainers:
  - {name: init, image: "example.com/app:1"}
  - {name: side, image: "example.com/app:1", restartPolicy: Always}
  containers:
  - {name: one, image: "example.com/app:1", args: [VERSION]}
  - {name: two, image: "example.com/app:1"}
---
`,
	"web": `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: REPLICAS
  minReadySeconds: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: "example.com/app:1", args: [VERSION]}
---
`,
	"duo": `apiVersion: apps/v1
kind: Deployment
metadata: {name: duo}
spec:
  replicas: 2
  minReadySeconds: 1
  selector: {matchLabels: {app: duo}}
  template:
    metadata: {labels: {app: duo}}
    spec:
      containers:
      - {name: a, image: "example.com/app:1", args: [VERSION]}
      - {name: b, image: "example.com/app:1"}
---
`,
	"nightly": `apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: "example.com/app:1", args: [VERSION]}]}}}}
---
`,
	"db":    reconciletest.Container("db", "args: [VERSION]"),
	"front": reconciletest.Container("front", "args: [VERSION]", "dependsOn: [{name: db, condition: Ready}]"),
	"cache": reconciletest.Container("cache", "args: [VERSION]"),
	"user":  reconciletest.Container("user", "args: [VERSION]", "dependsOn: [{name: cache, condition: Started}]"),
	"other": reconciletest.Container("other", "args: [VERSION]"),
}

// dependencies are the parts that others need.
var dependencies = map[string]string{"front": "db", "user": "cache"}

// tale is a history of an operator beside edits of manifests.
type tale struct {
	*machine
	t        *rapid.T
	standing *standing
	versions map[string]int // of the parts that the manifests have
	replicas int
	told     []string
}

// lives are how processes of the versions start and stop.
var lives = []life{
	{20 * time.Millisecond, 5 * time.Millisecond, false},
	{20 * time.Millisecond, 5 * time.Millisecond, true},
	{600 * time.Millisecond, 2 * time.Millisecond, false},
	{30 * time.Millisecond, 3 * time.Second, false},
}

func newTale(t *rapid.T) *tale {
	h := &tale{machine: newMachine(), t: t, versions: map[string]int{}, replicas: 2}
	h.standing = newStanding(h.manager)
	for name := range parts {
		h.versions[name] = 0
	}
	h.manager.lives = func(dir string) life {
		b := h.contents[dir]
		if b == nil || b.Spec.Process == nil || len(b.Spec.Process.Args) < 2 {
			return lives[0]
		}
		number := 0
		_, _ = fmt.Sscanf(b.Spec.Process.Args[len(b.Spec.Process.Args)-1], "v%d", &number)
		return lives[number%len(lives)]
	}
	h.edit()
	if !h.rest(nil, h.last.digest) {
		t.Fatal("the node does not come to rest before anything happens")
	}
	return h
}

// edit writes the manifests, and resolves them: each part once in all histories, since parts that need each other are one.
func (h *tale) edit() {
	wanted := reconcile.Desired{Images: map[string]reconcile.Image{}, Networks: map[string]reconcile.Network{}, Volumes: map[string]reconcile.Volume{}, Workloads: map[string]reconcile.Workload{}, Spares: map[string]reconcile.Workload{}}
	texts := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(h.versions)) {
		part := strings.ReplaceAll(parts[name], "VERSION", fmt.Sprintf("v%d", h.versions[name]))
		group := cmp.Or(dependencies[name], name)
		texts[group] = strings.ReplaceAll(part, "REPLICAS", fmt.Sprint(h.replicas)) + texts[group]
	}
	digest := ""
	for _, group := range slices.Sorted(maps.Keys(texts)) {
		digest += texts[group]
		of := h.resolve(texts[group])
		maps.Copy(wanted.Images, of.Images)
		maps.Copy(wanted.Networks, of.Networks)
		maps.Copy(wanted.Workloads, of.Workloads)
		maps.Copy(wanted.Spares, of.Spares)
	}
	h.last.digest, h.last.desired = digest, wanted
}

// resolvedTexts are the desired states of manifests, by their texts.
var resolvedTexts sync.Map

func (h *tale) resolve(text string) reconcile.Desired {
	if known, ok := resolvedTexts.Load(text); ok {
		return known.(reconcile.Desired)
	}
	set := manifests.Load([]manifests.File{{Path: "/app.yaml", Text: []byte(text)}}, manifests.Options{})
	if err := set.Diagnostics.Err(); err != nil {
		h.t.Fatal(err)
	}
	desired := h.desire(set.Objects)
	resolvedTexts.Store(text, desired)
	return desired
}

// makePass makes a pass.
func (h *tale) makePass() reconcile.Plan { return h.pass(nil, h.last.digest) }

// tell records an event for the report of a history that fails.
func (h *tale) tell(format string, args ...any) {
	h.told = append(h.told, fmt.Sprintf("%s "+format, append([]any{h.manager.now.Format("15:04:05.0000")}, args...)...))
}

// draw is one of some, at random.
func draw[T any](h *tale, label string, from ...T) T { return rapid.SampledFrom(from).Draw(h.t, label) }

// step is one operation.
func (h *tale) step() {
	names := append(slices.DeleteFunc(slices.Sorted(maps.Keys(h.manager.files)), reconcile.IsSurge), rootSlice)
	name := draw(h, "unit", names...)
	switch operation := draw(h, "operation", "stop", "stop", "stop", "start", "start", "restart", "mask", "unmask", "disable", "enable", "kill", "edit", "edit", "edit", "scale", "boot", "touch"); operation {
	case "stop", "start", "restart":
		chosen := rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 3, rapid.ID[string]).Draw(h.t, "units")
		h.tell("%s %v", operation, chosen)
		for _, name := range chosen {
			if h.manager.files[name] != "" || name == rootSlice {
				_ = h.manager.ask(byOperator, operation, name)
			}
		}
	case "mask", "unmask":
		h.tell("%s %s", operation, name)
		if h.manager.masks[name] && !isDown(h.manager.unit(name).active) {
			h.standing.unsure[name], h.standing.alone[name] = true, true
		}
		h.manager.masks[name] = operation == "mask" && !strings.HasSuffix(name, ".slice")
		h.manager.reload()
	case "disable":
		h.tell("disable %s", name)
		h.manager.disable(name)
		h.manager.reload()
	case "enable":
		h.tell("enable %s", name)
		if !h.manager.masks[name] {
			h.manager.enable(name)
			h.manager.reload()
		}
	case "kill":
		h.kill(name)
	case "edit":
		h.change(draw(h, "part", slices.Sorted(maps.Keys(parts))...))
	case "scale":
		h.replicas = draw(h, "replicas", 2, 3, 4)
		h.tell("scale %d", h.replicas)
		h.edit()
	case "boot":
		h.tell("boot")
		h.standing.boot()
		h.manager.boot()
	case "touch":
		if text := h.manager.files[name]; text != "" && strings.HasSuffix(name, ".service") {
			h.tell("touch %s", name)
			h.manager.files[name] = strings.Replace(text, "\n[Service]\n", "\n[Service]\nNice=3\n", 1)
		}
	}
}

// kill kills the process of a container that systemd starts again.
func (h *tale) kill(name string) {
	u := h.manager.unit(name)
	if !slices.Contains(u.settings["Restart"], "always") && !u.masked || u.restarts >= reconcile.MaxKills || strings.Contains(name, "-pod") {
		return
	}
	h.tell("kill %s", name)
	if u.masked && u.active == "active" {
		h.standing.unsure[name] = true // systemd does not start it again, and tells it from no stop
	}
	h.standing.blur(name)
	h.standing.cover(bySystemd, name)
	h.manager.kill(name)
}

// change edits a part, removes it or adds it.
func (h *tale) change(name string) {
	version, has := h.versions[name]
	switch {
	case !has:
		h.versions[name] = draw(h, "version", 0, 1, 2, 3)
		if _, hasNeeded := h.versions[dependencies[name]]; dependencies[name] != "" && !hasNeeded {
			h.versions[dependencies[name]] = 0
		}
	case draw(h, "removes", false, false, true):
		delete(h.versions, name)
		for dependent, needed := range dependencies {
			if needed == name {
				delete(h.versions, dependent)
			}
		}
	default:
		h.versions[name] = (version + draw(h, "by", 1, 2, 3)) % 4
	}
	h.tell("edit %s %v", name, h.versions)
	h.edit()
}

// wait lets time pass, with passes as the agent makes them.
func (h *tale) wait() {
	for range draw(h, "passes", 0, 0, 1, 2, 5) {
		h.manager.advance(time.Duration(draw(h, "milliseconds", 0, 1, 30, 400, 2_000, 20_000)) * time.Millisecond)
		calls := len(h.Calls)
		h.makePass()
		h.tell("pass %v", services(h.Calls[calls:]))
		h.check()
	}
	h.manager.advance(time.Duration(draw(h, "milliseconds", 0, 1, 30, 400, 2_000, 20_000)) * time.Millisecond)
}

func (h *tale) check() {
	if len(h.standing.undone) > 0 {
		h.fail("%v, withheld %v, unsure %v, davit's %v", h.standing.undone, h.standing.withheld, h.standing.unsure, h.standing.ours)
	}
}

func (h *tale) fail(format string, args ...any) {
	h.t.Fatalf("%s\n%s", strings.Join(h.told, "\n"), fmt.Sprintf(format, args...))
}

// judge compares the node with its expected state.
func (h *tale) judge() {
	desired := h.last.desired
	for _, unit := range slices.Sorted(maps.Keys(desired.Workloads)) {
		workload, u := desired.Workloads[unit], h.manager.unit(unit)
		if workload.Keep != reconcile.KeepRunning && workload.Keep != reconcile.KeepStarted {
			continue
		}
		want := h.standing.verdict(unit, desired, nil)
		isRunning, isPossible := u.active == "active", h.manager.check("restart", unit) == nil // nothing that it requires is masked
		switch {
		case want == isUp && !isRunning && isPossible, want == isHeld && isRunning:
			h.fail("%s is %s (%s), and is to be %s; held: %v", unit, u.active, u.sub, want, diff.Diff(desired, h.Actual, diff.Options{}).Held)
		case isRunning && u.running != workload.BundleDir && isPossible:
			h.fail("%s runs %s, wanted %s: %v", unit, u.running, workload.BundleDir, h.kept[0].Failed)
		}
	}
}

// TestHistoriesOfAnOperator walks through random histories of an operator, who stops and starts units, masks, disables
// and kills them and has the node boot, beside random edits of manifests: what runs in the end is what the
// operator and the manifests have it be.
//
// fault: an operator stops, starts, masks, disables and kills units and has the node boot, at random, while manifests change | the workloads are as the operator and the manifests say
func TestHistoriesOfAnOperator(t *testing.T) {
	t.Parallel()
	histories := 0
	rapid.Check(t, func(t *rapid.T) {
		if histories++; testing.Short() && histories > 20 {
			return
		}
		h := newTale(t)
		for range *operations {
			h.step()
			h.wait()
		}
		h.tell("rest")
		rested := h.rest(nil, h.last.digest)
		h.check()
		if !rested {
			h.fail("does not come to rest: %v, %v", reconciletest.Verbs(h.makePass()), h.kept[0].Owed)
		}
		h.judge()
	})
}

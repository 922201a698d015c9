package reconcile_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/apply"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/units/names"
)

// TestAnInterruptedPassIsNobodysDoing enables and starts a unit that a pass wrote and was interrupted before it enabled it, and
// does not touch one that an operator disabled.
func TestAnInterruptedPassIsNobodysDoing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		owed, started bool
		want          []reconcile.Verb
	}{
		"disabled by somebody":                 {false, false, []reconcile.Verb{}},
		"written and not enabled":              {true, false, []reconcile.Verb{reconcile.WriteUnit, reconcile.Reload, reconcile.Start}},
		"disabled by somebody while it ran on": {false, true, []reconcile.Verb{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := reconciletest.NewNode()
			desired := reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command)
			n.MustApply(t, desired)
			workload := n.Actual.Workloads["web.service"]
			workload.Active, workload.Enabled, workload.Started, workload.RunningDir = "inactive", "disabled", test.started, ""
			n.Actual.Workloads["web.service"] = workload
			var owed map[string]string
			if test.owed {
				owed = map[string]string{"web.service": ""}
			}
			got := reconciletest.Verbs(diff.Diff(desired, n.Actual, diff.Options{Owed: owed}))
			if len(got) != len(test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// TestWhatStopsAlongIsStartedAgain tells a unit that systemd stopped with one that it requires from one
// that an operator stopped.
func TestWhatStopsAlongIsStartedAgain(t *testing.T) {
	t.Parallel()
	at := time.Now()
	for name, test := range map[string]struct {
		active   string
		left     time.Time
		want     int
		restarts int
	}{
		"db was restarted just before web was":    {"active", at.Add(-400 * time.Millisecond), 0, 0},
		"db has run all the time":                 {"active", time.Time{}, 0, 0},
		"db was restarted before":                 {"active", at.Add(-time.Hour), 0, 0},
		"db was stopped with it and started":      {"active", at.Add(time.Millisecond), 1, 0},
		"db failed, took it along and starts":     {"activating", at.Add(-150 * time.Millisecond), 1, 0},
		"db was restarted afterwards":             {"active", at.Add(time.Second), 0, 0},
		"db failed long afterwards and starts":    {"activating", at.Add(time.Hour), 0, 0},
		"db was stopped with it, and was not yet": {"inactive", at.Add(time.Millisecond), 1, 0},
		"db crashes again and again, also since":  {"active", at.Add(time.Second), 1, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := reconciletest.NewNode()
			desired := reconciletest.Resolve(t, reconciletest.Container("db")+reconciletest.Container("web", "dependsOn: [{name: db, condition: Ready}]"), reconciletest.Command)
			n.MustApply(t, desired)
			web, db := n.Actual.Workloads["web.service"], n.Actual.Workloads["db.service"]
			web.Active, web.RunningDir, web.Begun, web.Left, web.Since = "inactive", "", at.Add(-300*time.Millisecond), at.Add(-100*time.Millisecond), at
			db.Active, db.Left, db.Restarts = names.ActiveState(test.active), test.left, test.restarts
			n.Actual.Workloads["web.service"], n.Actual.Workloads["db.service"] = web, db
			if got := diff.Diff(desired, n.Actual, diff.Options{}).Actions; len(got) != test.want {
				t.Errorf("got %v, want %d actions", got, test.want)
			}
		})
	}
}

// TestADependentThatStopsSoonerStillStoppedAlong finds that a dependent stopped with the unit that it requires, which
// had to wait for another dependent to stop, also if that one runs again.
func TestADependentThatStopsSoonerStillStoppedAlong(t *testing.T) {
	t.Parallel()
	at := time.Now()
	const needs = "dependsOn: [{name: db, condition: Ready}]"
	for name, test := range map[string]struct {
		slowIs names.ActiveState
		want   []string
	}{
		"both are down":           {"inactive", []string{"start Container/fast", "start Container/slow"}},
		"the slow one runs again": {"active", []string{"start Container/fast"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := reconciletest.NewNode()
			desired := reconciletest.Resolve(t, reconciletest.Container("db")+reconciletest.Container("fast", needs)+reconciletest.Container("slow", needs), reconciletest.Command)
			n.MustApply(t, desired)
			fast, slow, db := n.Actual.Workloads["fast.service"], n.Actual.Workloads["slow.service"], n.Actual.Workloads["db.service"]
			fast.Active, fast.RunningDir, fast.Left, fast.Since = "inactive", "", at, at.Add(time.Millisecond)
			slow.Active, slow.Left, slow.Ended = test.slowIs, at, at.Add(9*time.Second)
			slow.Since = slow.Ended
			if test.slowIs == names.Inactive {
				slow.RunningDir = ""
			}
			db.Left = at.Add(9*time.Second + time.Millisecond)
			n.Actual.Workloads["fast.service"], n.Actual.Workloads["slow.service"], n.Actual.Workloads["db.service"] = fast, slow, db
			if diff := cmp.Diff(test.want, reconciletest.Verbs(diff.Diff(desired, n.Actual, diff.Options{}))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWhatIsStoppingIsLeftToSystemd starts no unit that ended by itself before systemd has decided whether to restart it: a start
// then would hide that it ended, and how often.
func TestWhatIsStoppingIsLeftToSystemd(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	desired := reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command)
	n.MustApply(t, desired)
	for active, want := range map[string]int{"deactivating": 0, "failed": 1} {
		web := n.Actual.Workloads["web.service"]
		web.Active, web.Result, web.RunningDir, web.Started = names.ActiveState(active), "oom-kill", "", true
		n.Actual.Workloads["web.service"] = web
		if got := diff.Diff(desired, n.Actual, diff.Options{}).Actions; len(got) != want {
			t.Errorf("%s: got %v, want %d actions", active, got, want)
		}
	}
}

// TestAStopThatGoesOnIsLeftAlone starts no container whose pod is still being stopped: systemd stops the pod after its
// containers.
func TestAStopThatGoesOnIsLeftAlone(t *testing.T) {
	t.Parallel()
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: app}\nspec: {containers: [{name: one, image: example.com/app:1}, {name: two, image: example.com/app:1}]}\n"
	at := time.Now()
	for name, test := range map[string]struct {
		active, job string
		want        int
	}{
		"the pod's stop is queued":   {"active", "stop", 0},
		"the pod is stopping":        {"deactivating", "stop", 0},
		"the pod has been restarted": {"active", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := reconciletest.NewNode()
			desired := reconciletest.Resolve(t, pod, reconciletest.Command)
			n.MustApply(t, desired)
			one, whole := n.Actual.Workloads["app-one.service"], n.Actual.Workloads["app-pod.service"]
			one.Active, one.RunningDir, one.Begun, one.Left, one.Since = "inactive", "", at.Add(-time.Hour), at, at.Add(time.Millisecond)
			whole.Active, whole.Job, whole.Left = names.ActiveState(test.active), test.job, at.Add(10*time.Millisecond)
			n.Actual.Workloads["app-one.service"], n.Actual.Workloads["app-pod.service"] = one, whole
			if got := diff.Diff(desired, n.Actual, diff.Options{}).Actions; len(got) != test.want {
				t.Errorf("got %v, want %d actions", got, test.want)
			}
		})
	}
}

// host is a node whose operator starts and stops units by hand, as systemd carries that out.
type host struct {
	*reconciletest.Node
	now time.Time
	// withheld are the units that the operator stopped, or that are parts of those, and did not start since: true if
	// the unit stopped as a part of another one.
	withheld map[string]bool
}

// stops are the units that systemd stops with one: those that cannot be without it.
func (h host) stops(unit string, into map[string]bool) {
	if into[unit] {
		return
	}
	into[unit] = true
	for name, workload := range h.Desired.Workloads {
		if slices.Contains(workload.Needs(), unit) || strings.Contains(workload.UnitText, "\nSlice="+unit+"\n") {
			h.stops(name, into)
		}
	}
}

// starts are the units that systemd starts with one: those that it requires or wants. One that is up starts no other.
func (h host) starts(unit string, into map[string]bool) {
	workload, exists := h.Desired.Workloads[unit]
	if into[unit] || !exists || len(into) > 0 && h.Actual.Workloads[unit].IsRunning() {
		return
	}
	into[unit] = true
	for name, other := range h.Desired.Workloads {
		if strings.Contains(other.UnitText, "\nWantedBy="+unit+"\n") {
			h.starts(name, into)
		}
	}
	if workload.Unit != nil {
		needs := workload.Unit.Dependencies
		for _, name := range slices.Concat(needs.Requires, needs.BindsTo, needs.Wants) {
			h.starts(name, into)
		}
	}
}

// stop stops units as one command does: dependents first, a millisecond each.
func (h *host) stop(patterns ...string) {
	h.now = h.now.Add(time.Minute)
	asked, all := map[string]bool{}, map[string]bool{}
	for name := range h.Desired.Workloads {
		if slices.Contains(patterns, name) {
			asked[name] = true
			h.stops(name, all)
		}
	}
	for name := range all {
		isPart := slices.ContainsFunc(slices.Sorted(maps.Keys(asked)), func(unit string) bool {
			stopped := map[string]bool{}
			h.stops(unit, stopped)
			return unit != name && stopped[name] && h.Desired.Workloads[unit].Ref == h.Desired.Workloads[name].Ref
		})
		isStopped := asked[name] && h.Actual.Workloads[name].IsRunning() // a unit that is down is not stopped
		if !has(h.withheld, name) && (isStopped || isPart) {
			h.withheld[name] = isPart
		}
	}
	for left := len(all); len(all) > 0; left-- {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			dependents := map[string]bool{}
			h.stops(name, dependents)
			delete(dependents, name)
			if slices.ContainsFunc(slices.Sorted(maps.Keys(dependents)), func(other string) bool { return all[other] }) {
				continue
			}
			delete(all, name)
			current := h.Actual.Workloads[name]
			if current.IsRunning() {
				current.Left, h.now = h.now, h.now.Add(time.Millisecond)
				current.Active, current.RunningDir, current.Since = "inactive", "", h.now
				h.Actual.Workloads[name] = current
			}
		}
		if left < -100 {
			panic(fmt.Sprint("the units need each other: ", all))
		}
	}
}

// start starts units as one command does.
func (h *host) start(names ...string) {
	h.now = h.now.Add(time.Minute)
	started := map[string]bool{}
	for _, name := range names {
		with := map[string]bool{}
		h.starts(name, with)
		maps.Copy(started, with)
	}
	for name := range started {
		delete(h.withheld, name)
		parts := map[string]bool{}
		h.stops(name, parts)
		for part := range parts {
			if h.withheld[part] { // it stopped with a unit that runs again
				delete(h.withheld, part)
			}
		}
		current := h.Actual.Workloads[name]
		if !current.IsRunning() {
			current.Active, current.Started, current.Begun, current.Since = "active", true, h.now, h.now
			current.RunningDir = current.BundleDir
			h.Actual.Workloads[name] = current
		}
	}
}

// pass makes a pass about manifests. It returns the units that it started although the operator stopped them.
func (h *host) pass(desired reconcile.Desired, options diff.Options) []string {
	h.Desired = desired
	plan := diff.Diff(desired, h.Actual, options)
	var undone []string
	for _, action := range plan.Actions {
		if !action.Verb.Begins() || action.Waits != "" {
			continue
		}
		started := map[string]bool{}
		h.starts(action.Target, started)
		for name := range started {
			unit := desired.Workloads[action.Target].Unit
			wanted := unit != nil && slices.Contains(unit.Dependencies.Wants, name) // systemd starts it with the unit
			if has(h.withheld, name) && !wanted && !h.Actual.Workloads[name].IsRunning() {
				undone = append(undone, action.ID+" starts "+name)
			}
		}
	}
	_ = apply.Apply(context.Background(), plan, desired, h.Drivers(), func(reconcile.Event) {})
	for name, current := range h.Actual.Workloads {
		if current.Active == "active" && current.Begun.IsZero() {
			current.Begun, current.Since = h.now, h.now
			h.Actual.Workloads[name] = current
		}
	}
	for name := range h.withheld {
		if _, exists := h.Actual.Workloads[name]; !exists {
			delete(h.withheld, name)
		}
	}
	slices.Sort(undone)
	return undone
}

func has(units map[string]bool, unit string) bool {
	_, has := units[unit]
	return has
}

const operated = `apiVersion: v1
kind: Pod
metadata: {name: app}
spec:
  initContainers:
  - {name: init, image: "example.com/app:1"}
  - {name: side, image: "example.com/app:1", restartPolicy: Always}
  containers:
  - {name: one, image: "example.com/app:1"}
  - {name: two, image: "example.com/app:1"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: "example.com/app:1"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: duo}
spec:
  replicas: 2
  selector: {matchLabels: {app: duo}}
  template:
    metadata: {labels: {app: duo}}
    spec:
      containers:
      - {name: a, image: "example.com/app:1"}
      - {name: b, image: "example.com/app:1"}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: "example.com/app:1"}]}}}}
---
`

func newHost(t *testing.T, desired reconcile.Desired) *host {
	t.Helper()
	h := &host{Node: reconciletest.NewNode(), now: time.Unix(1_000_000, 0), withheld: map[string]bool{}}
	h.pass(desired, diff.Options{})
	if plan := diff.Diff(desired, h.Actual, diff.Options{}); !plan.Empty() {
		t.Fatalf("does not converge: %v", reconciletest.Verbs(plan))
	}
	return h
}

// TestAStopIsLeftAlone stops units as an operator does, and edits other objects, or the same.
func TestAStopIsLeftAlone(t *testing.T) {
	t.Parallel()
	text := operated + reconciletest.Container("db") + reconciletest.Container("front", "dependsOn: [{name: db, condition: Ready}]")
	const one, three = `{name: one, image: "example.com/app:1"}`, `{name: three, image: "example.com/app:1"}`
	for name, test := range map[string]struct {
		stop [][]string
		edit func(string) string
		held string
	}{
		"a container":           {[][]string{{"db.service"}}, nil, "systemctl start db.service"},
		"a pod":                 {[][]string{{"app-pod.service"}}, nil, "systemctl start app-pod.service"},
		"a container of a pod":  {[][]string{{"app-one.service"}}, nil, "systemctl start app-one.service"},
		"an init container":     {[][]string{{"app-init.service"}}, nil, "systemctl start app-init.service"},
		"a sidecar":             {[][]string{{"app-side.service"}}, nil, "systemctl start app-side.service"},
		"all containers":        {[][]string{{"app-one.service", "app-two.service", "app-side.service"}}, nil, "systemctl start app-one.service"},
		"a glob":                {[][]string{{"app-pod.service", "app-one.service", "app-two.service", "app-init.service", "app-side.service"}}, nil, "app-pod.service"},
		"the parts, then a pod": {[][]string{{"app-two.service"}, {"app-one.service"}, {"app-pod.service"}}, nil, "app-pod.service"},
		"a slice":               {[][]string{{"davit-app.slice"}}, nil, "app-pod.service"},
		"a Deployment":          {[][]string{{"web.target"}}, nil, "systemctl start web.target"},
		"a replica":             {[][]string{{"web@2.service"}}, nil, "systemctl start web@2.service"},
		"all replicas":          {[][]string{{"web@1.service", "web@2.service", "web@3.service"}}, nil, "systemctl start web@1.service"},
		"a Deployment of pods":  {[][]string{{"duo.target"}}, nil, "systemctl start duo.target"},
		"a replica of pods":     {[][]string{{"duo-pod@1.service"}}, nil, "systemctl start duo-pod@1.service"},
		"a timer":               {[][]string{{"nightly.timer"}}, nil, "systemctl start nightly.timer"},
		"a pod that gets another container": {[][]string{{"app-pod.service"}}, func(text string) string {
			return strings.Replace(text, "- "+one, "- "+one+"\n  - "+three, 1)
		}, "systemctl start app-pod.service"},
		"a pod of which a container changes": {[][]string{{"app-pod.service"}}, func(text string) string {
			return strings.Replace(text, one, `{name: one, image: "example.com/app:1", args: [new]}`, 1)
		}, "systemctl start app-pod.service"},
		"a Deployment that gets more replicas": {[][]string{{"web.target"}}, func(text string) string {
			return strings.Replace(text, "replicas: 3", "replicas: 5", 1)
		}, "systemctl start web.target"},
		"a Deployment that changes": {[][]string{{"web.target"}}, func(text string) string {
			return strings.Replace(text, `{name: c, image: "example.com/app:1"}`, `{name: c, image: "example.com/app:1", args: [new]}`, 1)
		}, "systemctl start web.target"},
		"a container that others need": {[][]string{{"db.service"}}, func(text string) string {
			return text + reconciletest.Container("late", "dependsOn: [{name: db, condition: Ready}]")
		}, "systemctl start db.service"},
	} {
		for _, unwatched := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " unwatched ", unwatched), func(t *testing.T) {
				t.Parallel()
				desired := reconciletest.Resolve(t, text, reconciletest.Command)
				h := newHost(t, desired)
				for _, units := range test.stop {
					h.stop(units...)
				}
				options := diff.Options{Unwatched: unwatched}
				plan := diff.Diff(desired, h.Actual, options)
				if !slices.ContainsFunc(plan.Held, func(held reconcile.Held) bool {
					return held.By == reconcile.ByStop && strings.Contains(held.Reason, test.held)
				}) {
					t.Errorf("held: %+v, want %s", plan.Held, test.held)
				}
				edited := text + reconciletest.Container("other")
				if test.edit != nil {
					edited = test.edit(edited)
				}
				for range 3 {
					if undone := h.pass(reconciletest.Resolve(t, edited, reconciletest.Command), options); len(undone) > 0 {
						t.Fatal(undone)
					}
				}
			})
		}
	}
}

// TestWhatEndsAStop starts units as an operator does: that ends the stops of the units that systemd starts along, and of no
// others.
func TestWhatEndsAStop(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		stop, start []string
		held, runs  string
	}{
		"the pod":               {[]string{"app-pod.service"}, []string{"app-pod.service"}, "", "app-one.service"},
		"a container of a pod":  {[]string{"app-pod.service"}, []string{"app-one.service"}, "", "app-one.service"}, // the pod's start starts the others
		"a replica":             {[]string{"web.target"}, []string{"web@1.service"}, "web@2.service", "web@1.service"},
		"the target":            {[]string{"web.target"}, []string{"web.target"}, "", "web@3.service"},
		"a replica among pods":  {[]string{"duo.target"}, []string{"duo-pod@1.service"}, "duo-a@2.service", "duo-a@1.service"},
		"a timer":               {[]string{"nightly.timer"}, []string{"nightly.timer"}, "", "nightly.timer"},
		"one of two containers": {[]string{"app-one.service", "app-two.service"}, []string{"app-two.service"}, "app-one.service", "app-two.service"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			desired := reconciletest.Resolve(t, operated, reconciletest.Command)
			h := newHost(t, desired)
			h.stop(test.stop...)
			h.start(test.start...)
			for unit := range desired.Workloads {
				if held := diff.HeldByOperator(desired, h.Actual, diff.Options{}, unit).By != ""; held != has(h.withheld, unit) {
					t.Errorf("%s is held: %t", unit, held)
				}
			}
			if test.held != "" && !has(h.withheld, test.held) {
				t.Errorf("%s is not held: %v", test.held, h.withheld)
			}
			if plan := diff.Diff(desired, h.Actual, diff.Options{}); !plan.Empty() || h.Actual.Workloads[test.runs].Active != "active" {
				t.Errorf("%s is %s, and planned are %v", test.runs, h.Actual.Workloads[test.runs].Active, reconciletest.Verbs(plan))
			}
		})
	}
}

// TestNoPlanStartsWhatAnOperatorStopped starts and stops units in any order, while manifests change.
//
// fault: an operator starts and stops units in any order while manifests change | no pass starts the stopped units
func TestNoPlanStartsWhatAnOperatorStopped(t *testing.T) {
	t.Parallel()
	var versions []reconcile.Desired
	for edits := range 6 {
		text := operated + reconciletest.Container("db") + reconciletest.Container("front", "dependsOn: [{name: db, condition: Ready}]") + reconciletest.Container("other", fmt.Sprintf("args: ['%d']", edits))
		versions = append(versions, reconciletest.Resolve(t, strings.Replace(text, "replicas: 3", fmt.Sprintf("replicas: %d", 3+edits%3), 1), reconciletest.Command))
	}
	rapid.Check(t, func(draw *rapid.T) {
		desired := versions[0]
		h := newHost(t, desired)
		for step := range rapid.IntRange(1, 8).Draw(draw, "steps") {
			chosen := rapid.SliceOfNDistinct(rapid.SampledFrom(slices.Sorted(maps.Keys(desired.Workloads))), 1, 3, rapid.ID[string]).Draw(draw, fmt.Sprint("units ", step))
			switch rapid.IntRange(0, 2).Draw(draw, fmt.Sprint("step ", step)) {
			case 0:
				h.start(chosen...)
			default:
				h.stop(chosen...)
			}
			desired = versions[rapid.IntRange(0, len(versions)-1).Draw(draw, fmt.Sprint("edit ", step))]
			unwatched := rapid.Bool().Draw(draw, fmt.Sprint("unwatched ", step))
			if undone := h.pass(desired, diff.Options{Unwatched: unwatched}); len(undone) > 0 {
				draw.Fatalf("%v", undone)
			}
		}
	})
}

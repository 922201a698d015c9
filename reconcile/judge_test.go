package reconcile

import (
	"testing"
	"time"

	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// judged is a unit of one container as it is seen, and what its version comes to.
type judged struct {
	spec   []string
	change func(w *ActualWorkload)
	want   Progress
	idle   bool
	until  time.Duration // from the time of the look; 0 for never
}

// TestJudge looks at a container with a deadline of two minutes and a probation of ten seconds.
func TestJudge(t *testing.T) {
	t.Parallel()
	now := time.Unix(10_000, 0)
	ago := func(seconds int) time.Time { return now.Add(-time.Duration(seconds) * time.Second) }
	crash := &bundle.LastRun{Result: "exit-code", Exit: "3"}
	kill := &bundle.LastRun{Result: "signal", Exit: "KILL"}
	segfault := &bundle.LastRun{Result: "core-dump", Exit: "SEGV"}
	dead := &bundle.LastRun{Result: "signal", Exit: "KILL", Failure: &bundle.Failure{Stage: bundle.StageAlive}}
	starting := func(w *ActualWorkload) {
		w.Active, w.Sub, w.Job, w.Run = "activating", "start", "start", &Run{Begun: ago(30)}
	}
	again := func(last *bundle.LastRun, restarts int) func(*ActualWorkload) {
		return func(w *ActualWorkload) { w.Run = &Run{Entered: ago(4), Restarts: restarts, Last: last} }
	}
	for name, test := range map[string]judged{
		"ready long enough":      {nil, func(w *ActualWorkload) { w.Run.Entered = ago(10) }, Confirmed, false, 0},
		"ready for four seconds": {nil, func(w *ActualWorkload) { w.Run.Entered = ago(4) }, OnProbation, false, 6 * time.Second},
		"starting":               {nil, starting, Starting, false, 90 * time.Second},
		"not ready in time":      {nil, func(w *ActualWorkload) { starting(w); w.Run.Begun = ago(120) }, Broken, false, 0},
		"the version before did not get ready in time": {nil, func(w *ActualWorkload) {
			starting(w)
			w.RunningDir, w.Run.Begun = "web-old", ago(120)
		}, Starting, false, 0},
		"crashed and up again":                {nil, again(crash, 1), Broken, false, 0},
		"crashed by a signal of its own":      {nil, again(segfault, 1), Broken, false, 0},
		"killed from outside and up again":    {nil, again(kill, 1), OnProbation, false, 6 * time.Second},
		"killed from outside again and again": {nil, again(kill, 4), Broken, false, 0},
		"killed for its liveness":             {nil, again(dead, 1), Broken, false, 0},
		"crashed long before it was judged": {nil, func(w *ActualWorkload) {
			w.Run = &Run{Entered: ago(3600), Restarts: 5, Last: crash}
		}, Confirmed, false, 0},
		"waits for its restart": {nil, func(w *ActualWorkload) {
			w.Active, w.Sub, w.RunningDir, w.Run.Last = "activating", "auto-restart", "", crash
		}, Broken, false, 0},
		"failed":                                {nil, func(w *ActualWorkload) { w.Active, w.Result = "failed", "exit-code" }, Broken, false, 0},
		"stopped by an operator, with an error": {nil, func(w *ActualWorkload) { w.Active, w.Result, w.Asked = "failed", "exit-code", true }, Starting, true, 0},
		"stopped by hand":                       {nil, func(w *ActualWorkload) { w.Active, w.Result = "inactive", "success" }, Starting, true, 0},
		"failed while it is masked":             {nil, func(w *ActualWorkload) { w.Active, w.Result, w.Enabled = "failed", "exit-code", "masked" }, Starting, true, 0},
		"not written yet":                       {nil, func(w *ActualWorkload) { w.UnitText = "old" }, Starting, true, 0},
		"runs what was":                         {nil, func(w *ActualWorkload) { w.RunningDir = "web-old" }, Starting, true, 0},
		"not ready any more":                    {nil, func(w *ActualWorkload) { w.Run.Begun, w.Run.Ready = ago(20), &Readiness{Reason: "503"} }, Starting, false, 110 * time.Second},
		"not ready for too long": {nil, func(w *ActualWorkload) {
			w.Run.Begun, w.Run.Ready = ago(130), &Readiness{Reason: "503"}
		}, Broken, false, 0},
		"ready again": {nil, func(w *ActualWorkload) {
			w.Run.Entered, w.Run.Ready = ago(60), &Readiness{Ready: true, Since: ago(2)}
		}, OnProbation, false, 8 * time.Second},
		"stops slowly before its start": {nil, func(w *ActualWorkload) {
			w.Active, w.Job, w.Run = "deactivating", "restart", &Run{Queued: ago(300)}
		}, Starting, false, 0},
		"its start is queued for ever": {nil, func(w *ActualWorkload) {
			w.Active, w.Job, w.Run = "inactive", "start", &Run{Queued: ago(300)}
		}, Broken, false, 0},
		"reloading":             {nil, func(w *ActualWorkload) { w.Active, w.Job = "reloading", "reload" }, Starting, false, 0},
		"reloading, as it says": {nil, func(w *ActualWorkload) { w.Active, w.Run.Entered = "reloading", ago(30) }, Starting, false, 90 * time.Second},
		"reloading for ever":    {nil, func(w *ActualWorkload) { w.Active, w.Run.Entered = "reloading", ago(120) }, Broken, false, 0},
		"a oneshot that ended":  {[]string{"oneshot: true"}, func(w *ActualWorkload) { w.Sub = "exited" }, Confirmed, false, 0},
		"a oneshot that runs":   {[]string{"oneshot: true"}, func(w *ActualWorkload) { w.Active, w.Job = "activating", "start" }, Starting, false, 0},
		"a oneshot that failed": {[]string{"oneshot: true", "restartPolicy: Never"}, func(w *ActualWorkload) { w.Active, w.Result = "failed", "exit-code" }, Broken, false, 0},
		"ran to its end":        {[]string{"restartPolicy: OnFailure"}, func(w *ActualWorkload) { w.Active, w.Result = "inactive", "success" }, Confirmed, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode()
			desired := resolve(t, container("web", test.spec...), command)
			n.mustApply(t, desired)
			web := n.actual.Workloads["web.service"]
			web.Run = &Run{Begun: ago(60), Entered: ago(60)}
			test.change(&web)
			n.actual.Workloads["web.service"] = web
			got := Judge(desired, n.actual, map[string]string{webObject: ""}, now)[webObject]
			until := time.Duration(0)
			if !got.Until.IsZero() {
				until = got.Until.Sub(now)
			}
			if got.Progress != test.want || got.Idle != test.idle || until != test.until {
				t.Errorf("got %q (%s), idle %t, for %s; want %q, idle %t, for %s", got.Progress, got.Reason, got.Idle, until, test.want, test.idle, test.until)
			}
		})
	}
}

// TestTheUnitThatIsLeastFarDecides takes the verdict of an object from the unit that has most left to do.
func TestTheUnitThatIsLeastFarDecides(t *testing.T) {
	t.Parallel()
	now := time.Unix(10_000, 0)
	n := newNode()
	desired := resolve(t, header+"Pod\nmetadata: {name: pod}\nspec:\n  containers:\n"+
		"  - {name: a, image: example.com/app:1}\n  - {name: b, image: example.com/app:1}\n", command)
	n.mustApply(t, desired)
	for unit, entered := range map[string]time.Time{"pod-a.service": now.Add(-time.Minute), "pod-b.service": now.Add(-3 * time.Second)} {
		current := n.actual.Workloads[unit]
		current.Run = &Run{Entered: entered}
		n.actual.Workloads[unit] = current
	}
	got := Judge(desired, n.actual, map[string]string{"Pod/pod": ""}, now)["Pod/pod"]
	if got.Progress != OnProbation || got.Unit != "pod-b.service" {
		t.Errorf("got %+v", got)
	}
}

// The unit of a job goes when its time after the end is over. What is left then is the record that it has ended well.
func TestAJobWhoseUnitHasGoneIsDone(t *testing.T) {
	t.Parallel()
	for ttl, want := range map[string]Progress{"ttlSecondsAfterFinished: 0, ": Confirmed, "": Starting} {
		desired := resolve(t, header+"Job\nmetadata: {name: once}\nspec: {"+ttl+"template: {spec: {restartPolicy: Never, containers: [{name: a, image: example.com/app:1}]}}}\n", command)
		n := newNode()
		n.mustApply(t, desired)
		delete(n.actual.Workloads, "once.service")
		n.actual.Completed = map[string]time.Time{desired.Workloads["once.service"].BundleDir: time.Unix(9_000, 0)}
		if got := Judge(desired, n.actual, map[string]string{"Job/once": ""}, time.Unix(10_000, 0))["Job/once"]; got.Progress != want {
			t.Errorf("with %q it is %s (%s), want %s", ttl, got.Progress, got.Reason, want)
		}
	}
}

// TestAJobIsDoneWhenItsUnitHasEnded has the record that the job has completed, which comes before the clean-up.
func TestAJobIsDoneWhenItsUnitHasEnded(t *testing.T) {
	t.Parallel()
	desired := resolve(t, header+"Job\nmetadata: {name: once}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: example.com/app:1}]}}}\n", command)
	workload := desired.Workloads["once.service"]
	actual := Actual{Completed: map[string]time.Time{workload.BundleDir: time.Unix(9_000, 0)}}
	for active, want := range map[string]Progress{"activating": Starting, "deactivating": Starting, "inactive": Confirmed, "failed": Confirmed} {
		current := ActualWorkload{Ref: workload.Ref, UnitText: workload.UnitText, BundleDir: workload.BundleDir, Active: names.ActiveState(active), Result: "success", Started: true}
		got := judgeUnit(workload, current, actual, time.Unix(10_000, 0))
		if got.Progress != want || got.Idle {
			t.Errorf("%s: got %+v, want %s", active, got, want)
		}
	}
}

// The run that a version replaces may have failed, and not have been able to note its end.
func TestAVersionIsNotJudgedByTheRunBefore(t *testing.T) {
	t.Parallel()
	began := time.Now()
	workload := resolve(t, container("web"), command).Workloads["web.service"]
	for name, test := range map[string]struct {
		begun       time.Time
		active, sub string
		want        Progress
	}{
		"the run before is tried again": {began.Add(-time.Second), "activating", "auto-restart", Starting},
		"the run before failed":         {began.Add(-time.Second), "failed", "failed", Starting},
		"its own run is tried again":    {began.Add(time.Second), "activating", "auto-restart", Broken},
		"its own run failed":            {began.Add(time.Second), "failed", "failed", Broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := Run{Begun: test.begun}
			run.Since(began, workload.BundleDir)
			current := ActualWorkload{
				Ref: workload.Ref, UnitText: workload.UnitText, BundleDir: workload.BundleDir,
				Active: names.ActiveState(test.active), Sub: names.SubState(test.sub), Result: "exit-code", Started: true, Run: &run,
			}
			if got := judgeUnit(workload, current, Actual{}, began.Add(time.Minute)); got.Progress != test.want {
				t.Errorf("got %v, want %s", got, test.want)
			}
		})
	}
}

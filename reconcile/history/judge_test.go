package history_test

import (
	"testing"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// judged is the actual state of a unit of one container, with the verdict on its version.
type judged struct {
	spec   []string
	change func(w *reconcile.ActualWorkload)
	want   history.Progress
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
	starting := func(w *reconcile.ActualWorkload) {
		w.Active, w.Sub, w.Job, w.Run = "activating", "start", "start", &reconcile.Run{Begun: ago(30)}
	}
	again := func(last *bundle.LastRun, restarts int) func(*reconcile.ActualWorkload) {
		return func(w *reconcile.ActualWorkload) {
			w.Run = &reconcile.Run{Entered: ago(4), Restarts: restarts, Last: last}
		}
	}
	for name, test := range map[string]judged{
		"ready long enough":      {nil, func(w *reconcile.ActualWorkload) { w.Run.Entered = ago(10) }, history.Confirmed, false, 0},
		"ready for four seconds": {nil, func(w *reconcile.ActualWorkload) { w.Run.Entered = ago(4) }, history.OnProbation, false, 6 * time.Second},
		"starting":               {nil, starting, history.Starting, false, 90 * time.Second},
		"not ready in time":      {nil, func(w *reconcile.ActualWorkload) { starting(w); w.Run.Begun = ago(120) }, history.Broken, false, 0},
		"the version before did not get ready in time": {nil, func(w *reconcile.ActualWorkload) {
			starting(w)
			w.RunningDir, w.Run.Begun = "web-old", ago(120)
		}, history.Starting, false, 0},
		"crashed and up again":                {nil, again(crash, 1), history.Broken, false, 0},
		"crashed by a signal of its own":      {nil, again(segfault, 1), history.Broken, false, 0},
		"killed from outside and up again":    {nil, again(kill, 1), history.OnProbation, false, 6 * time.Second},
		"killed from outside again and again": {nil, again(kill, 4), history.Broken, false, 0},
		"killed for its liveness":             {nil, again(dead, 1), history.Broken, false, 0},
		"crashed long before it was judged": {nil, func(w *reconcile.ActualWorkload) {
			w.Run = &reconcile.Run{Entered: ago(3600), Restarts: 5, Last: crash}
		}, history.Confirmed, false, 0},
		"waits for its restart": {nil, func(w *reconcile.ActualWorkload) {
			w.Active, w.Sub, w.RunningDir, w.Run.Last = "activating", "auto-restart", "", crash
		}, history.Broken, false, 0},
		"failed":                                {nil, func(w *reconcile.ActualWorkload) { w.Active, w.Result = "failed", "exit-code" }, history.Broken, false, 0},
		"stopped by an operator, with an error": {nil, func(w *reconcile.ActualWorkload) { w.Active, w.Result, w.Asked = "failed", "exit-code", true }, history.Starting, true, 0},
		"stopped by hand":                       {nil, func(w *reconcile.ActualWorkload) { w.Active, w.Result = "inactive", "success" }, history.Starting, true, 0},
		"failed while it is masked":             {nil, func(w *reconcile.ActualWorkload) { w.Active, w.Result, w.Enabled = "failed", "exit-code", "masked" }, history.Starting, true, 0},
		"not written yet":                       {nil, func(w *reconcile.ActualWorkload) { w.UnitText = "old" }, history.Starting, true, 0},
		"runs what was":                         {nil, func(w *reconcile.ActualWorkload) { w.RunningDir = "web-old" }, history.Starting, true, 0},
		"not ready any more": {nil, func(w *reconcile.ActualWorkload) {
			w.Run.Begun, w.Run.Ready = ago(20), &reconcile.Readiness{Reason: "503"}
		}, history.Starting, false, 110 * time.Second},
		"not ready for too long": {nil, func(w *reconcile.ActualWorkload) {
			w.Run.Begun, w.Run.Ready = ago(130), &reconcile.Readiness{Reason: "503"}
		}, history.Broken, false, 0},
		"ready again": {nil, func(w *reconcile.ActualWorkload) {
			w.Run.Entered, w.Run.Ready = ago(60), &reconcile.Readiness{Ready: true, Since: ago(2)}
		}, history.OnProbation, false, 8 * time.Second},
		"stops slowly before its start": {nil, func(w *reconcile.ActualWorkload) {
			w.Active, w.Job, w.Run = "deactivating", "restart", &reconcile.Run{Queued: ago(300)}
		}, history.Starting, false, 0},
		"its start is queued for ever": {nil, func(w *reconcile.ActualWorkload) {
			w.Active, w.Job, w.Run = "inactive", "start", &reconcile.Run{Queued: ago(300)}
		}, history.Broken, false, 0},
		"reloading":             {nil, func(w *reconcile.ActualWorkload) { w.Active, w.Job = "reloading", "reload" }, history.Starting, false, 0},
		"reloading, as it says": {nil, func(w *reconcile.ActualWorkload) { w.Active, w.Run.Entered = "reloading", ago(30) }, history.Starting, false, 90 * time.Second},
		"reloading for ever":    {nil, func(w *reconcile.ActualWorkload) { w.Active, w.Run.Entered = "reloading", ago(120) }, history.Broken, false, 0},
		"a oneshot that ended":  {[]string{"oneshot: true"}, func(w *reconcile.ActualWorkload) { w.Sub = "exited" }, history.Confirmed, false, 0},
		"a oneshot that runs":   {[]string{"oneshot: true"}, func(w *reconcile.ActualWorkload) { w.Active, w.Job = "activating", "start" }, history.Starting, false, 0},
		"a oneshot that failed": {[]string{"oneshot: true", "restartPolicy: Never"}, func(w *reconcile.ActualWorkload) { w.Active, w.Result = "failed", "exit-code" }, history.Broken, false, 0},
		"ran to its end":        {[]string{"restartPolicy: OnFailure"}, func(w *reconcile.ActualWorkload) { w.Active, w.Result = "inactive", "success" }, history.Confirmed, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := reconciletest.NewNode()
			desired := reconciletest.Resolve(t, reconciletest.Container("web", test.spec...), reconciletest.Command)
			n.MustApply(t, desired)
			web := n.Actual.Workloads["web.service"]
			web.Run = &reconcile.Run{Begun: ago(60), Entered: ago(60)}
			test.change(&web)
			n.Actual.Workloads["web.service"] = web
			got := history.Judge(desired, n.Actual, map[string]string{reconciletest.WebObject: ""}, now)[reconciletest.WebObject]
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
	n := reconciletest.NewNode()
	desired := reconciletest.Resolve(t, reconciletest.Header+"Pod\nmetadata: {name: pod}\nspec:\n  containers:\n"+
		"  - {name: a, image: example.com/app:1}\n  - {name: b, image: example.com/app:1}\n", reconciletest.Command)
	n.MustApply(t, desired)
	for unit, entered := range map[string]time.Time{"pod-a.service": now.Add(-time.Minute), "pod-b.service": now.Add(-3 * time.Second)} {
		current := n.Actual.Workloads[unit]
		current.Run = &reconcile.Run{Entered: entered}
		n.Actual.Workloads[unit] = current
	}
	got := history.Judge(desired, n.Actual, map[string]string{"Pod/pod": ""}, now)["Pod/pod"]
	if got.Progress != history.OnProbation || got.Unit != "pod-b.service" {
		t.Errorf("got %+v", got)
	}
}

// The unit of a job is removed when its time after the end is over. Then only the record remains that it completed.
func TestAJobWhoseUnitHasGoneIsDone(t *testing.T) {
	t.Parallel()
	for ttl, want := range map[string]history.Progress{"ttlSecondsAfterFinished: 0, ": history.Confirmed, "": history.Starting} {
		desired := reconciletest.Resolve(t, reconciletest.Header+"Job\nmetadata: {name: once}\nspec: {"+ttl+"template: {spec: {restartPolicy: Never, containers: [{name: a, image: example.com/app:1}]}}}\n", reconciletest.Command)
		n := reconciletest.NewNode()
		n.MustApply(t, desired)
		delete(n.Actual.Workloads, "once.service")
		n.Actual.Completed = map[string]time.Time{desired.Workloads["once.service"].BundleDir: time.Unix(9_000, 0)}
		if got := history.Judge(desired, n.Actual, map[string]string{"Job/once": ""}, time.Unix(10_000, 0))["Job/once"]; got.Progress != want {
			t.Errorf("with %q it is %s (%s), want %s", ttl, got.Progress, got.Reason, want)
		}
	}
}

// TestAJobIsDoneWhenItsUnitHasEnded has the record that the job has completed, which comes before the clean-up.
func TestAJobIsDoneWhenItsUnitHasEnded(t *testing.T) {
	t.Parallel()
	desired := reconciletest.Resolve(t, reconciletest.Header+"Job\nmetadata: {name: once}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: example.com/app:1}]}}}\n", reconciletest.Command)
	workload := desired.Workloads["once.service"]
	actual := reconcile.Actual{Completed: map[string]time.Time{workload.BundleDir: time.Unix(9_000, 0)}}
	for active, want := range map[string]history.Progress{"activating": history.Starting, "deactivating": history.Starting, "inactive": history.Confirmed, "failed": history.Confirmed} {
		current := reconcile.ActualWorkload{Ref: workload.Ref, UnitText: workload.UnitText, BundleDir: workload.BundleDir, Active: names.ActiveState(active), Result: "success", Started: true}
		got := history.JudgeUnit(workload, current, actual, time.Unix(10_000, 0))
		if got.Progress != want || got.Idle {
			t.Errorf("%s: got %+v, want %s", active, got, want)
		}
	}
}

// The run that a version replaces may have failed, and not have been able to note its end.
func TestAVersionIsNotJudgedByTheRunBefore(t *testing.T) {
	t.Parallel()
	began := time.Now()
	workload := reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command).Workloads["web.service"]
	for name, test := range map[string]struct {
		begun       time.Time
		active, sub string
		want        history.Progress
	}{
		"the run before is tried again": {began.Add(-time.Second), "activating", "auto-restart", history.Starting},
		"the run before failed":         {began.Add(-time.Second), "failed", "failed", history.Starting},
		"its own run is tried again":    {began.Add(time.Second), "activating", "auto-restart", history.Broken},
		"its own run failed":            {began.Add(time.Second), "failed", "failed", history.Broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := reconcile.Run{Begun: test.begun}
			run.Since(began, workload.BundleDir)
			current := reconcile.ActualWorkload{
				Ref: workload.Ref, UnitText: workload.UnitText, BundleDir: workload.BundleDir,
				Active: names.ActiveState(test.active), Sub: names.SubState(test.sub), Result: "exit-code", Started: true, Run: &run,
			}
			if got := history.JudgeUnit(workload, current, reconcile.Actual{}, began.Add(time.Minute)); got.Progress != test.want {
				t.Errorf("got %v, want %s", got, test.want)
			}
		})
	}
}

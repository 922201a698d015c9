package history_test

import (
	"testing"
	"time"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

func TestJudgeUnitsThatAreToComplete(t *testing.T) {
	t.Parallel()
	crashed := &bundle.LastRun{Result: "exit-code", Exit: "1"}
	killed := &bundle.LastRun{Result: "signal", Exit: "KILL"}
	for _, test := range []struct {
		name        string
		role        units.Role
		active, sub string
		run         reconcile.Run
		want        history.Progress
	}{
		{"a oneshot that runs for the first time is starting", units.RoleOneshot, "activating", "start", reconcile.Run{}, history.Starting},
		{"one that waits for its next try does not work", units.RoleOneshot, "activating", "auto-restart", reconcile.Run{Restarts: 0, Last: crashed}, history.Broken},
		{"one that is tried again does not work", units.RoleOneshot, "activating", "start", reconcile.Run{Restarts: 1, Last: crashed}, history.Broken},
		{"one that worked at the second try works", units.RoleOneshot, "active", "exited", reconcile.Run{Restarts: 1, Last: crashed}, history.Confirmed},
		{"one that was killed from outside may be tried again", units.RoleOneshot, "activating", "auto-restart", reconcile.Run{Restarts: 2, Last: killed}, history.Starting},
		{"one that is killed each time does not work", units.RoleOneshot, "activating", "auto-restart", reconcile.Run{Restarts: 4, Last: killed}, history.Broken},
		{"a job has further tries", units.RoleJob, "activating", "auto-restart", reconcile.Run{Restarts: 2, Last: crashed}, history.Starting},
		{"a job whose tries are over does not work", units.RoleJob, "failed", "failed", reconcile.Run{Restarts: 2, Last: crashed}, history.Broken},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ref := v1.Ref{Kind: "Pod", Name: "app"}
			desired := reconcile.Desired{Workloads: map[string]reconcile.Workload{"app.service": {
				Ref: ref, Unit: &units.Unit{Role: test.role}, UnitText: "text", Keep: reconcile.KeepStarted,
			}}}
			actual := reconcile.Actual{Workloads: map[string]reconcile.ActualWorkload{"app.service": {
				Ref: ref, UnitText: "text", Active: names.ActiveState(test.active), Sub: names.SubState(test.sub), Started: true, Run: &test.run,
			}}}
			verdict := history.Judge(desired, actual, map[string]string{ref.String(): ""}, time.Now())[ref.String()]
			if verdict.Progress != test.want {
				t.Errorf("it is %s (%s), want %s", verdict.Progress, verdict.Reason, test.want)
			}
		})
	}
}

func TestJudgeAVersionByItsOwnRuns(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ref := v1.Ref{Kind: "Container", Name: "web"}
	judge := func(current reconcile.ActualWorkload, run reconcile.Run, began time.Time) history.Progress {
		run.Since(began, "web-new")
		current.Ref, current.UnitText, current.Started, current.Run = ref, "text", true, &run
		desired := reconcile.Desired{Workloads: map[string]reconcile.Workload{"web.service": {Ref: ref, Unit: &units.Unit{}, UnitText: "text", Update: reconcile.Update{Soak: time.Minute, Deadline: time.Minute}}}}
		actual := reconcile.Actual{Workloads: map[string]reconcile.ActualWorkload{"web.service": current}}
		return history.Judge(desired, actual, map[string]string{ref.String(): ""}, now)[ref.String()].Progress
	}
	up := reconcile.ActualWorkload{Active: "active", Sub: "running"}
	restarted := reconcile.Run{Entered: now, Restarts: 1, Last: &bundle.LastRun{Result: "exit-code", Exit: "3", At: now}}
	if got := judge(up, restarted, now.Add(-time.Second)); got != history.Broken {
		t.Errorf("one that crashed is %s, want %s", got, history.Broken)
	}
	if got := judge(up, restarted, now.Add(time.Second)); got != history.OnProbation {
		t.Errorf("one whose previous version crashed is %s, want %s", got, history.OnProbation)
	}
	before := reconcile.Run{Entered: now, Restarts: 1, Last: &bundle.LastRun{Bundle: "web-old", Result: "exit-code", Exit: "3", At: now}}
	if got := judge(up, before, now.Add(-time.Second)); got != history.OnProbation {
		t.Errorf("one whose previous bundle crashed late is %s, want %s", got, history.OnProbation)
	}
	if got := judge(up, reconcile.Run{Entered: now, Restarts: 1}, now.Add(-time.Second)); got != history.OnProbation {
		t.Errorf("one whose previous version never came to its launcher is %s, want %s", got, history.OnProbation)
	}
	dead := reconcile.Run{Entered: now, Last: &bundle.LastRun{Result: "success", At: now, Failure: &bundle.Failure{Stage: bundle.StageAlive}}}
	if got := judge(up, dead, now.Add(-time.Second)); got != history.Broken {
		t.Errorf("one that its liveness probe ended is %s, want %s", got, history.Broken)
	}
	if got := judge(reconcile.ActualWorkload{Active: "inactive", Sub: "dead", Result: "success"}, dead, now.Add(-time.Second)); got != history.Broken {
		t.Errorf("one that its liveness probe stopped is %s, want %s", got, history.Broken)
	}
	dead.Entered = now.Add(-time.Hour)
	if got := judge(up, dead, now.Add(-time.Second)); got != history.Confirmed {
		t.Errorf("one that has been alive for long is %s, want %s", got, history.Confirmed)
	}
	slow := reconcile.Run{Begun: now.Add(-time.Hour)}
	if got := judge(reconcile.ActualWorkload{Active: "activating", Sub: "start"}, slow, now.Add(-time.Second)); got != history.Starting {
		t.Errorf("one whose previous version did not get ready is %s, want %s", got, history.Starting)
	}
	if got := judge(reconcile.ActualWorkload{Active: "activating", Sub: "start"}, slow, now.Add(-time.Hour)); got != history.Broken {
		t.Errorf("one that did not get ready is %s, want %s", got, history.Broken)
	}
	waits := reconcile.ActualWorkload{Active: "activating", Sub: "auto-restart"}
	if got := judge(waits, restarted, now.Add(-time.Second)); got != history.Broken {
		t.Errorf("one that waits for its next try is %s, want %s", got, history.Broken)
	}
	if got := judge(waits, restarted, now.Add(time.Second)); got != history.Starting {
		t.Errorf("one whose previous version waits for its next try is %s, want %s", got, history.Starting)
	}
	if got := judge(waits, before, now.Add(-time.Second)); got != history.Starting {
		t.Errorf("one whose previous bundle waits for its next try is %s, want %s", got, history.Starting)
	}
	unnoted := before // systemd could not run the clean-up, which notes how a run ended
	unnoted.Invocation, unnoted.Last = "new", &bundle.LastRun{Invocation: "old", Bundle: "web-old", Result: "exit-code", Exit: "3", At: now}
	if got := judge(waits, unnoted, now.Add(-time.Second)); got != history.Broken {
		t.Errorf("one whose own run left no note is %s, want %s", got, history.Broken)
	}
	waits.Job = "restart"
	if got := judge(waits, restarted, now.Add(-time.Second)); got != history.Starting {
		t.Errorf("one that is being restarted is %s, want %s", got, history.Starting)
	}
}

package reconcile_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/reconcile/reconciletest"
)

// TestATimerThatComesBackWhileItStopsIsStartedAgain deletes a CronJob and adds it again before its timer has gone: it
// was davit that stopped the timer, not an operator.
func TestATimerThatComesBackWhileItStopsIsStartedAgain(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"CronJob", "CronJob, Allow", "Deployment"} {
		s := newSimulation()
		with, without := reconciletest.Load(t, shapes[kind]+"---\n"+reconciletest.Container("stay")), reconciletest.Load(t, reconciletest.Container("stay"))
		for range 10 {
			s.pass(with, "with")
			s.tick()
		}
		s.pass(without, "without")
		s.tick()
		s.Calls = nil
		for range 10 {
			s.pass(with, "with")
			s.tick()
		}
		desired := s.desire(with)
		for unit, workload := range desired.Workloads {
			if workload.Keep == reconcile.KeepRunning && !s.runs(unit, desired) {
				t.Errorf("%s: %s is %s", kind, unit, s.Actual.Workloads[unit].Active)
			}
			if workload.Keep == reconcile.KeepApart || workload.Keep == reconcile.KeepIdle {
				if slices.Contains(s.Calls, "start "+unit) {
					t.Errorf("%s: %s is started", kind, unit)
				}
			}
		}
	}
}

// TestASettingOfTheUnitWaitsForItsTurn edits a setting that counts from the next start of a container, and that its bundle
// does not have: each container is restarted for it, also where that waits until another one is ready.
func TestASettingOfTheUnitWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	const replicas = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 3\n  minReadySeconds: 5\n  selector: {matchLabels: {app: web}}\n" +
		"  strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}\n  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: c, image: 'example.com/app:1'}]}\n"
	const surge = "updatePolicy: {maxSurge: 1, minReadySeconds: 1}"
	nice := func(text string) string { return strings.ReplaceAll(text, "\n[Service]\n", "\n[Service]\nNice=3\n") }
	for name, test := range map[string]struct {
		text  string
		units []string
	}{
		"a surge instance":  {reconciletest.Container("web", surge), []string{"web.service"}},
		"a replica's turns": {replicas, []string{"web@1.service", "web@2.service", "web@3.service"}},
	} {
		s := newSimulation()
		s.steady = true
		run := func(edit func(string) string, digest string) {
			desired := reconciletest.Resolve(t, test.text, reconciletest.Command)
			for _, unit := range test.units {
				workload := desired.Workloads[unit]
				workload.UnitText = edit(workload.UnitText)
				desired.Workloads[unit] = workload
			}
			s.last.digest, s.last.desired = digest, desired
			for range 60 {
				s.pass(nil, digest)
				s.tick()
			}
		}
		run(func(text string) string { return text }, "one")
		s.Calls = nil
		run(nice, "two")
		for _, unit := range test.units {
			if !slices.Contains(s.Calls, "restart "+unit) {
				t.Errorf("%s: %s is not restarted: %v", name, unit, s.Calls)
			}
		}
		if g := s.kept[0]; g.State != history.Applied || len(g.RunsOn) > 0 {
			t.Errorf("%s: %s, and to be restarted are %v", name, g.State, g.RunsOn)
		}
	}
}

// TestAStopBeforeARestartIsAnOperators stops a unit that was starting when davit wrote its file, and whose restart waits.
func TestAStopBeforeARestartIsAnOperators(t *testing.T) {
	t.Parallel()
	at := time.Now()
	before, desired := reconciletest.Resolve(t, reconciletest.Container("web", "args: [one]"), reconciletest.Command), reconciletest.Resolve(t, reconciletest.Container("web", "args: [two]"), reconciletest.Command)
	for name, test := range map[string]struct {
		change   func(*reconcile.ActualWorkload)
		owed, on bool
	}{
		"it starts still":     {func(*reconcile.ActualWorkload) {}, true, true},
		"it is up":            {func(w *reconcile.ActualWorkload) { w.Active, w.Job = "active", "" }, true, true},
		"it is being stopped": {func(w *reconcile.ActualWorkload) { w.Active, w.Job = "active", "stop" }, false, false},
		"it was stopped":      {func(w *reconcile.ActualWorkload) { w.Active, w.Job = "inactive", "" }, false, false},
		"it was stopped, and ended badly": {func(w *reconcile.ActualWorkload) {
			w.Active, w.Job, w.Result, w.Asked = "failed", "", "exit-code", true
		}, false, false},
		"it failed to start":           {func(w *reconcile.ActualWorkload) { w.Active, w.Job, w.Result = "failed", "", "resources" }, true, true},
		"it has been started since":    {func(w *reconcile.ActualWorkload) { w.Begun = at.Add(time.Millisecond) }, false, false},
		"its start is judged":          {func(w *reconcile.ActualWorkload) { w.Run = &reconcile.Run{Begun: at.Add(time.Millisecond)} }, false, false},
		"systemd started it again":     {func(w *reconcile.ActualWorkload) { w.Run = &reconcile.Run{Begun: at.Add(time.Minute), Restarts: 1} }, false, false},
		"systemd is to start it again": {func(w *reconcile.ActualWorkload) { w.Sub, w.Begun = "auto-restart", at.Add(time.Minute) }, true, true},
		"systemd started it again early": {func(w *reconcile.ActualWorkload) {
			w.Run = &reconcile.Run{Begun: at.Add(time.Millisecond), Restarts: 1}
		}, true, true},
	} {
		n := reconciletest.NewNode()
		n.MustApply(t, before)
		web := n.Actual.Workloads["web.service"]
		web.Active, web.Job, web.Begun = "activating", "start", at.Add(-time.Second)
		n.Actual.Workloads["web.service"] = web
		write := reconcile.Action{Verb: reconcile.WriteUnit, Object: reconciletest.WebObject, Target: "web.service"}
		plan := reconcile.Plan{Actions: []reconcile.Action{write, {Verb: reconcile.Restart, Object: reconciletest.WebObject, Target: "web.service"}}}
		g := history.NewGeneration(1, desired, "", at)
		g.Owe(plan, desired, n.Actual, at)
		g.Record(reconcile.Event{Action: write, Status: reconcile.Done})
		g.Forgo()
		test.change(&web)
		n.Actual.Workloads["web.service"] = web
		g.Arrived(desired, n.Actual)
		_, owed := g.Owed["web.service"]
		if _, on := g.RunsOn["web.service"]; owed != test.owed || on != test.on {
			t.Errorf("%s: owed: %t, to be restarted: %t", name, owed, on)
		}
	}
}

// TestAnInterruptedRestartIsStillDue has a pass end after it wrote a file: the unit runs on with the file before, also where
// systemd has not read the new one yet.
func TestAnInterruptedRestartIsStillDue(t *testing.T) {
	t.Parallel()
	for _, now := range []reconcile.ActualWorkload{
		{Active: "active"}, {Active: "active", NeedReload: true}, {Active: "activating", Sub: "start", Job: "start"}, {Active: "activating", Sub: "auto-restart"},
	} {
		n := reconciletest.NewNode()
		desired := reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command)
		n.MustApply(t, desired)
		web := n.Actual.Workloads["web.service"]
		web.Active, web.Sub, web.Job, web.NeedReload = now.Active, now.Sub, now.Job, now.NeedReload
		n.Actual.Workloads["web.service"] = web
		options := diff.Options{Owed: map[string]string{"web.service": ""}, RunsOn: map[string]string{"web.service": reconciletest.WebObject}}
		action(t, diff.Diff(desired, n.Actual, options), "restart web.service")
	}
}

// TestADisabledUnitIsNotOwed disables a unit that is down and that davit is to start.
func TestADisabledUnitIsNotOwed(t *testing.T) {
	t.Parallel()
	at := time.Now()
	desired := reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command)
	for name, test := range map[string]struct {
		down time.Time
		want reconcile.Holder
	}{
		"davit wrote its file while it was down": {at.Add(-time.Minute), reconcile.ByDisable},
		"davit stopped it":                       {at.Add(time.Second), ""},
	} {
		n := reconciletest.NewNode()
		n.MustApply(t, desired)
		web := n.Actual.Workloads["web.service"]
		web.Active, web.RunningDir, web.Enabled, web.Since = "inactive", "", "disabled", test.down
		n.Actual.Workloads["web.service"] = web
		options := diff.Options{Owed: map[string]string{"web.service": ""}, OwedAt: map[string]time.Time{"web.service": at}}
		if by := heldBy(desired, n.Actual, options, "web.service"); by != test.want {
			t.Errorf("%s: held by %q", name, by)
		}
	}
}

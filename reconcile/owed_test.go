package reconcile

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestATimerThatComesBackWhileItStopsIsStartedAgain deletes a CronJob and adds it again before its timer has gone: it
// was davit that stopped the timer, not an operator.
func TestATimerThatComesBackWhileItStopsIsStartedAgain(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"CronJob", "CronJob, Allow", "Deployment"} {
		s := newSimulation()
		with, without := load(t, shapes[kind]+"---\n"+container("stay")), load(t, container("stay"))
		for range 10 {
			s.pass(with, "with")
			s.tick()
		}
		s.pass(without, "without")
		s.tick()
		s.calls = nil
		for range 10 {
			s.pass(with, "with")
			s.tick()
		}
		desired := s.desire(with)
		for unit, workload := range desired.Workloads {
			if workload.Keep == KeepRunning && !s.runs(unit, desired) {
				t.Errorf("%s: %s is %s", kind, unit, s.actual.Workloads[unit].Active)
			}
			if workload.Keep == KeepApart || workload.Keep == KeepIdle {
				if slices.Contains(s.calls, "start "+unit) {
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
		"a surge instance":  {container("web", surge), []string{"web.service"}},
		"a replica's turns": {replicas, []string{"web@1.service", "web@2.service", "web@3.service"}},
	} {
		s := newSimulation()
		s.steady = true
		run := func(edit func(string) string, digest string) {
			desired := resolve(t, test.text, command)
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
		s.calls = nil
		run(nice, "two")
		for _, unit := range test.units {
			if !slices.Contains(s.calls, "restart "+unit) {
				t.Errorf("%s: %s is not restarted: %v", name, unit, s.calls)
			}
		}
		if g := s.kept[0]; g.State != Applied || len(g.RunsOn) > 0 {
			t.Errorf("%s: %s, and to be restarted are %v", name, g.State, g.RunsOn)
		}
	}
}

// TestAStopBeforeARestartIsAnOperators stops a unit that was starting when davit wrote its file, and whose restart waits.
func TestAStopBeforeARestartIsAnOperators(t *testing.T) {
	t.Parallel()
	at := time.Now()
	before, desired := resolve(t, container("web", "args: [one]"), command), resolve(t, container("web", "args: [two]"), command)
	for name, test := range map[string]struct {
		change   func(*ActualWorkload)
		owed, on bool
	}{
		"it starts still":     {func(*ActualWorkload) {}, true, true},
		"it is up":            {func(w *ActualWorkload) { w.Active, w.Job = "active", "" }, true, true},
		"it is being stopped": {func(w *ActualWorkload) { w.Active, w.Job = "active", "stop" }, false, false},
		"it was stopped":      {func(w *ActualWorkload) { w.Active, w.Job = "inactive", "" }, false, false},
		"it was stopped, and ended badly": {func(w *ActualWorkload) {
			w.Active, w.Job, w.Result, w.Asked = "failed", "", "exit-code", true
		}, false, false},
		"it failed to start":             {func(w *ActualWorkload) { w.Active, w.Job, w.Result = "failed", "", "resources" }, true, true},
		"it has been started since":      {func(w *ActualWorkload) { w.Begun = at.Add(time.Millisecond) }, false, false},
		"its start is judged":            {func(w *ActualWorkload) { w.Run = &Run{Begun: at.Add(time.Millisecond)} }, false, false},
		"systemd started it again":       {func(w *ActualWorkload) { w.Run = &Run{Begun: at.Add(time.Minute), Restarts: 1} }, false, false},
		"systemd is to start it again":   {func(w *ActualWorkload) { w.Sub, w.Begun = "auto-restart", at.Add(time.Minute) }, true, true},
		"systemd started it again early": {func(w *ActualWorkload) { w.Run = &Run{Begun: at.Add(time.Millisecond), Restarts: 1} }, true, true},
	} {
		n := newNode()
		n.mustApply(t, before)
		web := n.actual.Workloads["web.service"]
		web.Active, web.Job, web.Begun = "activating", "start", at.Add(-time.Second)
		n.actual.Workloads["web.service"] = web
		write := Action{Verb: WriteUnit, Object: webObject, Target: "web.service"}
		plan := Plan{Actions: []Action{write, {Verb: Restart, Object: webObject, Target: "web.service"}}}
		g := NewGeneration(1, desired, "", at)
		g.Owe(plan, desired, n.actual, at)
		g.Record(Event{Action: write, Status: Done})
		g.Forgo()
		test.change(&web)
		n.actual.Workloads["web.service"] = web
		g.Arrived(desired, n.actual)
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
	for _, now := range []ActualWorkload{
		{Active: "active"}, {Active: "active", NeedReload: true}, {Active: "activating", Sub: "start", Job: "start"}, {Active: "activating", Sub: "auto-restart"},
	} {
		n := newNode()
		desired := resolve(t, container("web"), command)
		n.mustApply(t, desired)
		web := n.actual.Workloads["web.service"]
		web.Active, web.Sub, web.Job, web.NeedReload = now.Active, now.Sub, now.Job, now.NeedReload
		n.actual.Workloads["web.service"] = web
		options := Options{Owed: map[string]string{"web.service": ""}, RunsOn: map[string]string{"web.service": webObject}}
		action(t, Diff(desired, n.actual, options), "restart web.service")
	}
}

// TestADisabledUnitIsNotOwed disables a unit that is down and that davit is to start.
func TestADisabledUnitIsNotOwed(t *testing.T) {
	t.Parallel()
	at := time.Now()
	desired := resolve(t, container("web"), command)
	for name, test := range map[string]struct {
		down time.Time
		want Holder
	}{
		"davit wrote its file while it was down": {at.Add(-time.Minute), ByDisable},
		"davit stopped it":                       {at.Add(time.Second), ""},
	} {
		n := newNode()
		n.mustApply(t, desired)
		web := n.actual.Workloads["web.service"]
		web.Active, web.RunningDir, web.Enabled, web.Since = "inactive", "", "disabled", test.down
		n.actual.Workloads["web.service"] = web
		options := Options{Owed: map[string]string{"web.service": ""}, OwedAt: map[string]time.Time{"web.service": at}}
		if by := heldBy(desired, n.actual, options, "web.service"); by != test.want {
			t.Errorf("%s: held by %q", name, by)
		}
	}
}

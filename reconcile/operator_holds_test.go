package reconcile_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/reconcile/reconciletest"
)

// heldBy returns the holder of a unit.
func heldBy(desired reconcile.Desired, actual reconcile.Actual, options diff.Options, unit string) reconcile.Holder {
	return diff.HeldByOperator(desired, actual, options, unit).By
}

// TestAStopWhileAnUpdateWaitsIsOne stops a container whose new image is being pulled, and a replica that waits for its
// turn: davit has not stopped them, and starts neither.
func TestAStopWhileAnUpdateWaitsIsOne(t *testing.T) {
	t.Parallel()
	const replicas = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 3\n  minReadySeconds: 5\n  selector: {matchLabels: {app: web}}\n" +
		"  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: c, image: 'example.com/app:1'}]}\n"
	for name, test := range map[string]struct{ text, unit string }{
		"the image is pulled":    {reconciletest.Container("web"), "web.service"},
		"it waits for its turn":  {replicas, "web@3.service"},
		"it waits for two turns": {replicas, "web@2.service"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, pulls := newSimulation(), true
			s.available = func(reference string) bool { return reference == "example.com/app:1" || pulls }
			run := func(text, digest string, passes int) {
				for range passes {
					s.last.digest, s.last.desired = digest, reconciletest.Resolve(t, text, reconciletest.Command)
					s.steady = true
					s.pass(nil, digest)
					s.tick()
				}
			}
			run(test.text, "one", 20)
			pulls = name != "the image is pulled"
			edited := strings.Replace(test.text, "app:1", "app:22", 1)
			run(edited, "two", 3)
			web := s.Actual.Workloads[test.unit]
			if web.Active != "active" || web.RunningDir == s.last.desired.Workloads[test.unit].BundleDir {
				t.Fatalf("%s is %s, runs %s", test.unit, web.Active, web.RunningDir)
			}
			web.Active, web.Sub, web.RunningDir, web.Running, web.Left, web.Since = "inactive", "dead", "", nil, s.now, s.now
			s.Actual.Workloads[test.unit] = web
			pulls = true
			run(edited, "two", 40)
			if web := s.Actual.Workloads[test.unit]; web.Active != "inactive" || heldBy(s.last.desired, s.Actual, diff.Options{Owed: s.kept[0].Owed}, test.unit) != reconcile.ByStop {
				t.Errorf("%s is %s, owed: %v", test.unit, web.Active, s.kept[0].Owed)
			}
		})
	}
}

// TestAMaskIsNoFailureOfWhatRequiresIt edits a container that requires a masked one which runs: systemd would refuse the
// restart, and the new version would count as one that does not work.
func TestAMaskIsNoFailureOfWhatRequiresIt(t *testing.T) {
	t.Parallel()
	const needs = "dependsOn: [{name: %, condition: Ready}]"
	on := func(name string) string { return strings.Replace(needs, "%", name, 1) }
	chain := func(version string) string {
		return reconciletest.Container("a", "args: ["+version+"]") + reconciletest.Container("b", on("a")) + reconciletest.Container("c", on("b"), "args: ["+version+"]") + reconciletest.Container("d", "args: ["+version+"]")
	}
	for name, test := range map[string]struct {
		masked string
		waits  []string
	}{
		"what requires it":                                {"b.service", []string{"restart c.service"}},
		"what requires it at one remove":                  {"a.service", []string{"restart c.service"}},
		"nothing requires it":                             {"d.service", nil},
		"what is restarted along is masked, and runs on":  {"c.service", nil},
		"what it restarts along requires what is masked ": {"e.service", []string{"restart a.service"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := func(version string) string { return chain(version) }
			if test.masked == "e.service" {
				text = func(version string) string {
					return reconciletest.Container("e") + reconciletest.Container("a", "args: ["+version+"]") + reconciletest.Container("b", "dependsOn: [{name: a, condition: Ready}, {name: e, condition: Ready}]")
				}
			}
			n := reconciletest.NewNode()
			n.MustApply(t, reconciletest.Resolve(t, text("one"), reconciletest.Command))
			current := n.Actual.Workloads[test.masked]
			current.Enabled = "masked"
			n.Actual.Workloads[test.masked] = current
			plan := diff.Diff(reconciletest.Resolve(t, text("two"), reconciletest.Command), n.Actual, diff.Options{})
			for _, action := range plan.Actions {
				if !action.Verb.Begins() {
					continue
				}
				if action.Target == test.masked {
					t.Errorf("%s, which is masked", action.ID)
				}
				isRoot := action.With == ""
				if waits := strings.HasSuffix(action.Waits, "which is masked"); isRoot && waits != slices.Contains(test.waits, action.ID) {
					t.Errorf("%s waits: %q", action.ID, action.Waits)
				}
			}
			for _, id := range test.waits {
				action(t, plan, id)
			}
		})
	}
}

// TestAFileIsWrittenAndNotEnabled edits containers that an operator disabled or masked: they stay so.
func TestAFileIsWrittenAndNotEnabled(t *testing.T) {
	t.Parallel()
	for enabled, want := range map[string]bool{"enabled": false, "": false, "disabled": true, "masked": true, "masked-runtime": true} {
		n := reconciletest.NewNode()
		n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command))
		web := n.Actual.Workloads["web.service"]
		web.Enabled = enabled
		n.Actual.Workloads["web.service"] = web
		plan := diff.Diff(reconciletest.Resolve(t, reconciletest.Container("web", "args: [other]"), reconciletest.Command), n.Actual, diff.Options{})
		if got := action(t, plan, "write-unit web.service").Disabled; got != want {
			t.Errorf("%q: got %t", enabled, got)
		}
	}
}

// TestAStopBesideWhatCrashed stops a container whose requirement has crashed long before, and runs since.
func TestAStopBesideWhatCrashed(t *testing.T) {
	t.Parallel()
	at := time.Now()
	for name, test := range map[string]struct {
		since time.Time
		want  int
	}{
		"it has been up since before the stop": {at.Add(-time.Hour), 0},
		"it has crashed again since":           {at.Add(time.Hour), 1},
	} {
		n := reconciletest.NewNode()
		desired := reconciletest.Resolve(t, reconciletest.Container("db")+reconciletest.Container("web", "dependsOn: [{name: db, condition: Ready}]"), reconciletest.Command)
		n.MustApply(t, desired)
		web, db := n.Actual.Workloads["web.service"], n.Actual.Workloads["db.service"]
		web.Active, web.RunningDir, web.Begun, web.Left, web.Since = "inactive", "", at.Add(-time.Minute), at, at
		db.Restarts, db.Left, db.Since = 2, test.since.Add(-time.Second), test.since
		n.Actual.Workloads["web.service"], n.Actual.Workloads["db.service"] = web, db
		if got := diff.Diff(desired, n.Actual, diff.Options{}).Actions; len(got) != test.want {
			t.Errorf("%s: got %v, want %d actions", name, got, test.want)
		}
	}
}

// TestAnEditedFileRunsNothingAgain restores the unit file of a container that may end, and that has ended or was stopped,
// after an operator edited it: that is no change of its manifest.
func TestAnEditedFileRunsNothingAgain(t *testing.T) {
	t.Parallel()
	const oneshot = "oneshot: true"
	for name, test := range map[string]struct {
		edit    bool
		version string
		want    bool
	}{
		"the file was edited":               {true, "one", false},
		"the manifest changed":              {false, "two", true},
		"the file and the manifest changed": {true, "two", true},
	} {
		n := reconciletest.NewNode()
		n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web", oneshot, "args: [one]"), reconciletest.Command))
		web := n.Actual.Workloads["web.service"]
		web.Active, web.RunningDir = "inactive", ""
		if test.edit {
			web.UnitText = strings.Replace(web.UnitText, "\n[Service]\n", "\n[Service]\nNice=3\n", 1)
		}
		n.Actual.Workloads["web.service"] = web
		plan := diff.Diff(reconciletest.Resolve(t, reconciletest.Container("web", oneshot, "args: ["+test.version+"]"), reconciletest.Command), n.Actual, diff.Options{})
		if starts := slices.ContainsFunc(plan.Actions, func(a reconcile.Action) bool { return a.Verb.Begins() }); starts != test.want {
			t.Errorf("%s: planned are %v", name, reconciletest.Verbs(plan))
		}
		action(t, plan, "write-unit web.service")
	}
}

// TestAPartOfWhatIsMaskedMayBeStopped stops a replica whose target is not davit's because its name was masked before the
// target was there.
func TestAPartOfWhatIsMaskedMayBeStopped(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	desired := reconciletest.Resolve(t, strings.TrimSuffix(operated, "---\n"), reconciletest.Command)
	n.Actual.Foreign["web.target"] = "/etc/systemd/system/web.target"
	n.MustApply(t, desired)
	web := n.Actual.Workloads["web@1.service"]
	web.Active, web.RunningDir = "inactive", ""
	n.Actual.Workloads["web@1.service"] = web
	if by := heldBy(desired, n.Actual, diff.Options{}, "web@1.service"); by != reconcile.ByStop {
		t.Errorf("web@1 is held by %q", by)
	}
}

// TestAPartThatRanBesideWhatIsMaskedStartsAgain stops a replica for a change though its target is masked. Where the operator
// stopped the target after that, it stays down.
func TestAPartThatRanBesideWhatIsMaskedStartsAgain(t *testing.T) {
	t.Parallel()
	stopped := time.Unix(2000, 0)
	for name, test := range map[string]struct {
		masked, left, down time.Time
		want               reconcile.Holder
	}{
		"masked while it ran":             {stopped.Add(-time.Minute), stopped, stopped.Add(time.Second), ""},
		"masked after davit's stop of it": {stopped.Add(time.Minute), stopped, stopped.Add(time.Second), reconcile.ByMask},
		"stopped with the whole":          {stopped.Add(-time.Minute), stopped.Add(-time.Minute), stopped.Add(-time.Minute), reconcile.ByMask},
		"stopping with the whole":         {stopped.Add(-time.Minute), stopped.Add(-time.Minute), stopped.Add(time.Second), reconcile.ByMask},
		"stopped before it was up":        {stopped.Add(-time.Minute), time.Time{}, stopped.Add(time.Second), ""},
		"new":                             {stopped.Add(-time.Minute), time.Time{}, time.Time{}, reconcile.ByMask},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := reconciletest.NewNode()
			desired := reconciletest.Resolve(t, strings.TrimSuffix(operated, "---\n"), reconciletest.Command)
			n.MustApply(t, desired)
			changeWorkload(n, "web.target", func(w *reconcile.ActualWorkload) { w.Active, w.Enabled, w.Since = "inactive", "masked", test.masked })
			changeWorkload(n, "web@1.service", func(w *reconcile.ActualWorkload) {
				w.Active, w.RunningDir, w.Left, w.Since = "inactive", "", test.left, test.down
			})
			options := diff.Options{Owed: map[string]string{"web@1.service": ""}, OwedAt: map[string]time.Time{"web@1.service": stopped}}
			if by := heldBy(desired, n.Actual, options, "web@1.service"); by != test.want {
				t.Errorf("it is held by %q", by)
			}
		})
	}
}

// TestAStartThatSystemdDidNotTakeIsOwed has systemd not take a start: the unit does not count as failed any more, and looks
// as if an operator had stopped it.
func TestAStartThatSystemdDidNotTakeIsOwed(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	desired := reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command)
	n.MustApply(t, desired)
	start := reconcile.Action{Verb: reconcile.Start, Object: reconciletest.WebObject, Target: "web.service"}
	g := history.NewGeneration(1, desired, "", time.Now())
	g.Record(reconcile.Event{Action: start, Status: reconcile.Begun})
	g.Record(reconcile.Event{Action: start, Status: reconcile.Failed, Err: errors.New("systemd has other jobs")})
	web := n.Actual.Workloads["web.service"]
	web.Active, web.RunningDir, web.Result = "inactive", "", "success"
	n.Actual.Workloads["web.service"] = web
	if plan := diff.Diff(desired, n.Actual, diff.Options{Owed: g.Owed}); len(plan.Actions) != 1 || plan.Actions[0].Verb != reconcile.Start {
		t.Errorf("planned are %v", reconciletest.Verbs(plan))
	}
}

// TestAUnitThatIsNotEnabledYetIsNobodysDoing interrupts a pass between writing a unit of a pod that an operator stopped,
// and enabling it.
func TestAUnitThatIsNotEnabledYetIsNobodysDoing(t *testing.T) {
	t.Parallel()
	desired := reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command)
	plan := reconcile.Plan{Actions: []reconcile.Action{{Verb: reconcile.WriteUnit, Object: reconciletest.WebObject, Target: "web.service"}}}
	g := history.NewGeneration(1, desired, "", time.Now())
	g.Owe(plan, desired, reconcile.Actual{}, time.Now())
	if _, noted := g.Owed["web.service"]; !noted {
		t.Error("nothing says that the unit is to be enabled")
	}
	g.Record(reconcile.Event{Action: plan.Actions[0], Status: reconcile.Done})
	g.Forgo()
	if len(g.Owed) > 0 {
		t.Errorf("once the pass has ended, davit owes %v", g.Owed)
	}
}

// TestAUnitWhoseFileFailedIsOwed has the disk fail after the file is in place: the unit is not enabled yet, and no operator
// has disabled it.
func TestAUnitWhoseFileFailedIsOwed(t *testing.T) {
	t.Parallel()
	desired := reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command)
	plan := reconcile.Plan{Actions: []reconcile.Action{
		{Verb: reconcile.WriteUnit, Object: reconciletest.WebObject, Target: "web.service"}, {Verb: reconcile.Start, Object: reconciletest.WebObject, Target: "web.service"},
	}}
	g := history.NewGeneration(1, desired, "", time.Now())
	g.Owe(plan, desired, reconcile.Actual{}, time.Now())
	g.Record(reconcile.Event{Action: plan.Actions[0], Status: reconcile.Failed, Err: errors.New("no space left on device")})
	g.Record(reconcile.Event{Action: plan.Actions[1], Status: reconcile.Skipped, Err: errors.New("skipped")})
	g.Forgo()
	if _, owed := g.Owed["web.service"]; !owed {
		t.Error("davit does not owe the start of the unit")
	}
}

// TestWhatABootStartedIsOwedNoMore stops a unit whose start waited for another one, and that a boot has started meanwhile.
func TestWhatABootStartedIsOwedNoMore(t *testing.T) {
	t.Parallel()
	at := time.Now()
	desired := reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command)
	plan := reconcile.Plan{Actions: []reconcile.Action{{Verb: reconcile.Stop, Object: reconciletest.WebObject, Target: "web.service"}}}
	for name, test := range map[string]struct {
		begun time.Time
		owed  bool
	}{
		"it was started before":                      {at.Add(-time.Hour), true},
		"systemd started it again while davit began": {at.Add(time.Millisecond), true},
		"it was started since":                       {at.Add(time.Minute), false},
	} {
		n := reconciletest.NewNode()
		n.MustApply(t, desired)
		g := history.NewGeneration(1, desired, "", at)
		g.Owe(plan, desired, n.Actual, at)
		g.Record(reconcile.Event{Action: plan.Actions[0], Status: reconcile.Begun})
		g.Forgo()
		web := n.Actual.Workloads["web.service"]
		web.Active, web.RunningDir, web.Begun = "inactive", "", test.begun
		n.Actual.Workloads["web.service"] = web
		g.Arrived(desired, n.Actual)
		if _, owed := g.Owed["web.service"]; owed != test.owed {
			t.Errorf("%s: owed: %t", name, owed)
		}
	}
}

// TestAMaskedReplicaTakesNoTurn updates Deployments of which a replica, or a unit that it requires, is masked and runs: the
// others do not wait for it.
func TestAMaskedReplicaTakesNoTurn(t *testing.T) {
	t.Parallel()
	const web, duo = `{name: c, image: "example.com/app:1"}`, `{name: a, image: "example.com/app:1"}`
	for masked, test := range map[string]struct{ container, surge, next string }{
		"web@1.service":     {web, "web@surge1.service", "web@2.service"},
		"duo-pod@1.service": {duo, "duo-a@surge1.service", "duo-a@2.service"},
	} {
		n := reconciletest.NewNode()
		n.MustApply(t, reconciletest.Resolve(t, operated, reconciletest.Command))
		current := n.Actual.Workloads[masked]
		current.Enabled = "masked"
		n.Actual.Workloads[masked] = current
		edited := reconciletest.Resolve(t, strings.Replace(operated, test.container, strings.Replace(test.container, "}", ", args: [new]}", 1), 1), reconciletest.Command)
		n.Fail["start "+test.surge], n.Fail["restart "+test.next] = errors.New("later"), errors.New("later")
		_, _, _ = n.Apply(t, edited, diff.Options{})
		restart := action(t, diff.Diff(edited, n.Actual, diff.Options{}), "restart "+test.next)
		if waits := slices.ContainsFunc(restart.Needs, func(id string) bool { return strings.HasPrefix(id, "restart ") }); waits || restart.Waits != "" {
			t.Errorf("%s waits for %v, %s", test.next, restart.Needs, restart.Waits)
		}
	}
}

package agent

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/manifests"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// at is the time of day of these tests, in seconds.
func at(second int64) time.Time { return time.Unix(1_000_000+second, 0).UTC() }

func micros(second int64) uint64 { return uint64(at(second).UnixMicro()) }

// explained explains one row of Container/web.
func explained(row *ObjectReport, plan reconcile.Plan, desired reconcile.Desired) *explainer {
	row.Object, row.Unit = "Container/web", "web.service"
	row.State = fmt.Sprintf("%s (%s)", row.state.ActiveState, row.state.SubState)
	if desired.Workloads == nil {
		desired.Workloads = map[string]reconcile.Workload{"web.service": {Ref: v1.Ref{Kind: "Container", Name: "web"}}}
	}
	w := newExplainer(&manifests.Set{}, &view{desired: desired}, plan, at(100))
	w.add(row)
	row.Causes = w.ofRow(row)
	row.Next = w.next(row)
	return w
}

// TestHowTheLastRunEndedCounts distinguishes a present cause from an old one.
func TestHowTheLastRunEndedCounts(t *testing.T) {
	t.Parallel()
	up := units.State{ActiveState: "active", SubState: "running", Result: "success", Invocation: "two"}
	failed := units.State{ActiveState: "failed", SubState: "failed", Result: "exit-code", Invocation: "two"}
	starting := units.State{ActiveState: "activating", SubState: "start", Invocation: "two"}
	stopping := units.State{ActiveState: "deactivating", SubState: "stop-sigterm", Result: "success", Invocation: "two"}
	noAddress := &bundle.Failure{Stage: bundle.StageNetwork, Error: "start web: no addresses"}
	dead := &bundle.Failure{Stage: bundle.StageAlive, Error: "its liveness probe failed"}
	for name, test := range map[string]struct {
		state    units.State
		restarts uint32
		run      bundle.LastRun
		want     string // stage and reason
	}{
		"the run that ended":                          {failed, 0, bundle.LastRun{Invocation: "two", Result: "exit-code"}, "run Error"},
		"what the launcher said of it":                {failed, 0, bundle.LastRun{Invocation: "two", Result: "exit-code", Failure: noAddress}, "network NetworkNotReady"},
		"a run before the one that nobody could note": {failed, 0, bundle.LastRun{Invocation: "one", Result: "exit-code", Failure: noAddress}, "run Error"},
		"restarted a moment ago":                      {up, 3, bundle.LastRun{Invocation: "one", Result: "exit-code", At: at(90)}, "run CrashLoopBackOff"},
		"restarted long ago":                          {up, 3, bundle.LastRun{Invocation: "one", Result: "exit-code", At: at(90 - 3600)}, ""},
		"started by davit in another version":         {up, 0, bundle.LastRun{Invocation: "one", Result: "exit-code", At: at(90), Failure: noAddress}, ""},
		"ended for its liveness":                      {up, 0, bundle.LastRun{Invocation: "one", Result: "success", At: at(90), Failure: dead}, "probe Unhealthy"},
		"short of memory":                             {up, 1, bundle.LastRun{Invocation: "one", Result: "oom-kill", At: at(90)}, "run OOMKilled"},
		"failed, and starting again":                  {starting, 0, bundle.LastRun{Invocation: "one", Result: "exit-code"}, "run Error"},
		"stopped the hard way, and starting again":    {starting, 0, bundle.LastRun{Invocation: "one", Result: "signal"}, ""},
		"killed after its grace period, and starting": {starting, 0, bundle.LastRun{Invocation: "one", Result: "timeout", Asked: true}, ""},
		"killed after its grace period, and stopping": {stopping, 0, bundle.LastRun{Invocation: "one", Result: "timeout", Asked: true}, ""},
	} {
		row := ObjectReport{state: test.state, Restarts: test.restarts, LastRun: &test.run}
		explained(&row, reconcile.Plan{}, reconcile.Desired{})
		got := ""
		if len(row.Causes) > 0 {
			got = string(row.Causes[0].Stage) + " " + row.Causes[0].Reason
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestWhatHappensNext(t *testing.T) {
	t.Parallel()
	down := units.State{ActiveState: "inactive", SubState: "dead"}
	held := func(by reconcile.Holder) reconcile.Plan {
		return reconcile.Plan{Held: []reconcile.Held{{Object: "Container/web", Reason: "held", By: by}}}
	}
	in := func(second int64) *time.Time { t := at(second).Local(); return &t }
	for name, test := range map[string]struct {
		state units.State
		plan  reconcile.Plan
		want  *Next
	}{
		"runs":              {units.State{ActiveState: "active", SubState: "running"}, reconcile.Plan{}, nil},
		"waits for restart": {units.State{ActiveState: "activating", SubState: "auto-restart", Since: micros(10), RestartDelay: 30 * time.Second}, reconcile.Plan{}, &Next{BySystemd, "restarts it", in(40)}},
		"starts":            {units.State{ActiveState: "activating", SubState: "start", Since: micros(10), StartTimeout: time.Minute}, reconcile.Plan{}, &Next{BySystemd, "gives up on this start", in(70)}},
		"starts for ever":   {units.State{ActiveState: "activating", SubState: "start", Since: micros(10)}, reconcile.Plan{}, &Next{BySystemd, "waits for its start", nil}},
		"masked":            {down, held(reconcile.ByMask), &Next{ByNobody, "nothing until the unit is unmasked", nil}},
		"rolled back":       {down, held(reconcile.ByFailedChange), &Next{ByNobody, "nothing until the manifest changes, or davit resume", nil}},
		"given up": {
			units.State{ActiveState: "failed", SubState: "failed", Result: "exit-code"}, reconcile.Plan{},
			&Next{ByNobody, "nothing until its manifest changes, or systemctl restart web.service", nil},
		},
	} {
		row := ObjectReport{state: test.state}
		explained(&row, test.plan, reconcile.Desired{})
		if diff := cmp.Diff(test.want, row.Next); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestEveryHolderSaysWhatHasToChange keeps the words of next to those of the core.
func TestEveryHolderSaysWhatHasToChange(t *testing.T) {
	t.Parallel()
	for _, by := range []reconcile.Holder{
		reconcile.ByForeignUnit, reconcile.ByMask, reconcile.ByDisable, reconcile.ByStop, reconcile.BySuspension, reconcile.ByAnnotation,
		reconcile.ByPruneGuard, reconcile.ByDriftPolicy, reconcile.ByFailedChange, reconcile.ByRollback,
	} {
		if until[by] == "" {
			t.Errorf("%s: nothing says until when", by)
		}
	}
}

// TestTransitionTimesAreTrue takes the time from systemd, the probe, the memory or the generation, in
// this order.
func TestTransitionTimesAreTrue(t *testing.T) {
	t.Parallel()
	up := units.State{ActiveState: "active", SubState: "running", Entered: micros(20), Left: micros(10)}
	down := units.State{ActiveState: "failed", SubState: "failed", Result: "exit-code", Entered: micros(20), Left: micros(30)}
	remembered := memory{Conditions: map[ConditionType]since{
		Accepted: {ConditionTrue, at(1)}, Ready: {ConditionTrue, at(2)}, Reconciling: {ConditionTrue, at(3)},
	}}
	for name, test := range map[string]struct {
		row    ObjectReport
		before memory
		want   map[ConditionType]time.Time
	}{
		"up":                {ObjectReport{state: up}, memory{}, map[ConditionType]time.Time{Ready: at(20)}},
		"down":              {ObjectReport{state: down}, memory{}, map[ConditionType]time.Time{Ready: at(30)}},
		"unready":           {ObjectReport{state: up, Ready: new(false), readySince: at(50)}, memory{}, map[ConditionType]time.Time{Ready: at(50)}},
		"as it was":         {ObjectReport{state: up}, remembered, map[ConditionType]time.Time{Accepted: at(1), Ready: at(20)}},
		"otherwise now":     {ObjectReport{state: up}, remembered, map[ConditionType]time.Time{Reconciling: at(100)}},
		"by the generation": {ObjectReport{state: up, brought: at(5)}, memory{}, map[ConditionType]time.Time{Accepted: at(5), Applied: at(5), Stalled: at(100)}},
	} {
		w := explained(&test.row, reconcile.Plan{}, reconcile.Desired{})
		for _, c := range w.conditions(&test.row, test.before) {
			if want, ok := test.want[c.Type]; ok && !c.LastTransitionTime.Equal(want) {
				t.Errorf("%s: %s since %s, want %s", name, c.Type, c.LastTransitionTime, want)
			}
		}
	}
}

package reconcile_test

import (
	"slices"
	"testing"
	"time"

	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/units"
)

// TestADependantStartsNothingAlongThatRunsOnce orders it after its dependency in any case.
func TestADependantStartsNothingAlongThatRunsOnce(t *testing.T) {
	t.Parallel()
	const job = reconciletest.Header + "Job\nmetadata: {name: db}\nspec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: db, image: example.com/app:1}]}}}\n---\n"
	const dependant = "dependsOn: [{name: db}]"
	for name, test := range map[string]struct {
		text  string
		along bool
	}{
		"a container":                      {reconciletest.Container("db") + reconciletest.Container("web", dependant), true},
		"a container that runs once":       {reconciletest.Container("db", "restartPolicy: Never") + reconciletest.Container("web", dependant), false},
		"a oneshot":                        {reconciletest.Container("db", "oneshot: true") + reconciletest.Container("web", dependant), false},
		"a oneshot that runs once":         {reconciletest.Container("db", "oneshot: true", "restartPolicy: Never") + reconciletest.Container("web", dependant), false},
		"a oneshot that is tried again":    {reconciletest.Container("db", "oneshot: true", "restartPolicy: OnFailure") + reconciletest.Container("web", dependant), true},
		"a job":                            {job + reconciletest.Container("web", "dependsOn: [{kind: Job, name: db}]"), false},
		"a oneshot that has to have ended": {reconciletest.Container("db", "oneshot: true") + reconciletest.Container("web", "dependsOn: [{name: db, condition: Completed}]"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			desired := reconciletest.Resolve(t, test.text, reconciletest.Command)
			if len(desired.Problems) > 0 {
				t.Fatal(desired.Problems)
			}
			dependencies := desired.Workloads["web.service"].Unit.Dependencies
			along := slices.ContainsFunc(slices.Concat(dependencies.Wants, dependencies.Requires), func(unit string) bool {
				return desired.Workloads[unit].Unit != nil && desired.Workloads[unit].Ref.Name == "db"
			})
			ordered := slices.ContainsFunc(dependencies.After, func(unit string) bool { return desired.Workloads[unit].Ref.Name == "db" })
			if along != test.along || !ordered {
				t.Errorf("starts it along: %t, ordered after it: %t; want %t, true", along, ordered, test.along)
			}
			if text := desired.Workloads["web.service"].UnitText; units.NeedsRestart(text, text+"[Unit]\nWants=db.service\n") {
				t.Error("a unit of an older davit would be restarted")
			}
		})
	}
}

// TestADependantStartsAfterWhatRunsOnce has systemd know of both starts, in their order.
func TestADependantStartsAfterWhatRunsOnce(t *testing.T) {
	t.Parallel()
	text := reconciletest.Container("db", "oneshot: true") + reconciletest.Container("web", "dependsOn: [{name: db}]")
	plan := diff.Diff(reconciletest.Resolve(t, text, reconciletest.Command), reconciletest.NewNode().Actual, diff.Options{})
	if got := action(t, plan, "start web.service").After; !slices.Contains(got, "start db.service") {
		t.Errorf("web starts after %v", got)
	}
	s := newSimulation()
	s.behave = func(unit, _ string) behaviour {
		if unit == "db.service" {
			return behaviour{start: time.Hour}
		}
		return behaviour{start: time.Second}
	}
	for range 3 {
		s.pass(reconciletest.Load(t, text), "one")
		s.tick()
	}
	if got := services(s.Calls); !slices.Equal(got, []string{"start db", "start web"}) {
		t.Errorf("it does %v, want web queued while db runs", got)
	}
}

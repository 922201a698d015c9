package reconcile

import (
	"slices"
	"testing"
	"time"

	"github.com/davit-project/davit/units"
)

// TestADependantStartsNothingAlongThatRunsOnce orders it after what it depends on in any case.
func TestADependantStartsNothingAlongThatRunsOnce(t *testing.T) {
	t.Parallel()
	const job = header + "Job\nmetadata: {name: db}\nspec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: db, image: example.com/app:1}]}}}\n---\n"
	const dependant = "dependsOn: [{name: db}]"
	for name, test := range map[string]struct {
		text  string
		along bool
	}{
		"a container":                      {container("db") + container("web", dependant), true},
		"a container that runs once":       {container("db", "restartPolicy: Never") + container("web", dependant), false},
		"a oneshot":                        {container("db", "oneshot: true") + container("web", dependant), false},
		"a oneshot that runs once":         {container("db", "oneshot: true", "restartPolicy: Never") + container("web", dependant), false},
		"a oneshot that is tried again":    {container("db", "oneshot: true", "restartPolicy: OnFailure") + container("web", dependant), true},
		"a job":                            {job + container("web", "dependsOn: [{kind: Job, name: db}]"), false},
		"a oneshot that has to have ended": {container("db", "oneshot: true") + container("web", "dependsOn: [{name: db, condition: Completed}]"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			desired := resolve(t, test.text, command)
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
	text := container("db", "oneshot: true") + container("web", "dependsOn: [{name: db}]")
	plan := Diff(resolve(t, text, command), newNode().actual, Options{})
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
		s.pass(load(t, text), "one")
		s.tick()
	}
	if got := services(s.calls); !slices.Equal(got, []string{"start db", "start web"}) {
		t.Errorf("it does %v, want web queued while db runs", got)
	}
}

package reconcile_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/units/names"
)

// pod is a Pod manifest of two containers, with further lines of the pod's.
func pod(first string, lines ...string) string {
	return reconciletest.Header + "Pod\nmetadata: {name: app}\nspec:\n  containers:\n    - {name: a, image: 'example.com/app:1', args: [" + first +
		"]}\n    - {name: b, image: 'example.com/app:1'}\n  " + strings.Join(lines, "\n  ") + "\n---\n"
}

// runs are the actions of a plan that start or stop something, with their units.
func runs(plan reconcile.Plan) []string {
	var found []string
	for _, action := range plan.Actions {
		if slices.Contains([]reconcile.Verb{reconcile.Start, reconcile.Restart, reconcile.Stop}, action.Verb) {
			found = append(found, string(action.Verb)+" "+action.Target)
		}
	}
	return found
}

func TestWhatARestartTakesAlong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ before, after, want string }{
		"a container restarts alone":                 {pod("one"), pod("two"), "restart app-a.service"},
		"the sandbox takes its containers along":     {pod("one"), pod("one", "hostname: x"), "restart app-pod.service, start app-a.service, start app-b.service"},
		"which are restarted once":                   {pod("one"), pod("two", "hostname: x"), "restart app-pod.service, start app-a.service, start app-b.service"},
		"an init container takes them along":         {pod("one", initContainer("x")), pod("one", initContainer("y")), "restart app-i.service, start app-a.service, start app-b.service"},
		"a required container its dependents":        {web + reconciletest.Container("db"), web + reconciletest.Container("db", "args: [x]"), "restart db.service, start web.service"},
		"also when they change":                      {web + reconciletest.Container("db"), webEdited + reconciletest.Container("db", "args: [x]"), "restart db.service, start web.service"},
		"a wanted one does not":                      {webWants + reconciletest.Container("db"), webWants + reconciletest.Container("db", "args: [x]"), "restart db.service"},
		"a container that gets a socket stops first": {reconciletest.Container("web"), reconciletest.Container("web", listens("80")), "restart web.service, start web.socket"},
		"one that loses it starts by itself":         {reconciletest.Container("web", listens("80")), reconciletest.Container("web"), "stop web.socket, start web.service"},
		"an idle container stays so":                 {reconciletest.Container("web", listens("80")), reconciletest.Container("web", listens("81")), "restart web.socket"},
		"nothing happens for a change in resources":  {pod("one"), pod("one", "terminationGracePeriodSeconds: 7"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := reconciletest.NewNode()
			n.MustApply(t, reconciletest.Resolve(t, test.before, reconciletest.Command))
			plan := n.MustApply(t, reconciletest.Resolve(t, test.after, reconciletest.Command))
			if got := strings.Join(runs(plan), ", "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if again := diff.Diff(reconciletest.Resolve(t, test.after, reconciletest.Command), n.Actual, diff.Options{}); !again.Empty() {
				t.Errorf("the second plan is not empty: %v", reconciletest.Verbs(again))
			}
		})
	}
}

// TestAStartWaitsForTheFilesOfWhatItStartsAlong keeps systemd from starting the old version of a failed unit.
func TestAStartWaitsForTheFilesOfWhatItStartsAlong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		active string
		waits  bool
	}{
		"what failed is started along":  {"failed", true},
		"what is up stays as it is":     {"active", false},
		"what starts is not started":    {"activating", false},
		"what is down is started along": {"inactive", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := reconciletest.NewNode()
			n.MustApply(t, reconciletest.Resolve(t, web+reconciletest.Container("db"), reconciletest.Command))
			for unit, active := range map[string]string{"db.service": test.active, "web.service": "inactive"} {
				current := n.Actual.Workloads[unit]
				current.Active, current.Started = names.ActiveState(active), false
				n.Actual.Workloads[unit] = current
			}
			plan := diff.Diff(reconciletest.Resolve(t, web+reconciletest.Container("db", "args: [x]"), reconciletest.Command), n.Actual, diff.Options{})
			i := slices.IndexFunc(plan.Actions, func(action reconcile.Action) bool { return action.ID == "start web.service" })
			if i < 0 {
				t.Fatalf("web is not started: %v", reconciletest.Verbs(plan))
			}
			if waits := slices.Contains(plan.Actions[i].Needs, "write-unit db.service"); waits != test.waits {
				t.Errorf("needs %v", plan.Actions[i].Needs)
			}
		})
	}
}

func TestARunningContainerFollowsItsSocket(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web", listens("80")), reconciletest.Command))
	if err := n.StartUnit(t.Context(), "web.service"); err != nil { // a client connects
		t.Fatal(err)
	}
	plan := n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web", listens("81")), reconciletest.Command))
	if got, want := strings.Join(runs(plan), ", "), "restart web.socket, start web.service"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	plan = n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web", listens("81"), "args: [x]"), reconciletest.Command))
	if got, want := strings.Join(runs(plan), ", "), "restart web.service"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func listens(port string) string { return "sockets: [{name: http, listenStream: " + port + "}]" }

func initContainer(arg string) string {
	return "initContainers: [{name: i, image: 'example.com/app:1', args: [" + arg + "]}]"
}

var (
	web       = reconciletest.Container("web", "dependsOn: [{name: db, condition: Ready}]")
	webEdited = reconciletest.Container("web", "args: [y]", "dependsOn: [{name: db, condition: Ready}]")
	webWants  = reconciletest.Container("web", "dependsOn: [{name: db}]")
)

const job = reconciletest.Header + `Job
metadata: {name: job}
spec:
  ttlSecondsAfterFinished: 60
  template: {spec: {restartPolicy: Never, containers: [{name: a, image: 'example.com/app:1'}]}}
---
`

func TestAJobThatIsDone(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	desired := reconciletest.Resolve(t, job, reconciletest.Command)
	n.MustApply(t, desired)
	done := n.Actual.Workloads["job.service"]
	done.Active = "inactive"
	n.Actual.Workloads["job.service"] = done
	ended := time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC)
	n.Actual.Completed = map[string]time.Time{done.BundleDir: ended}
	if plan := diff.Diff(desired, n.Actual, diff.Options{Now: ended}); !plan.Empty() {
		t.Errorf("right after: %v", reconciletest.Verbs(plan))
	}

	// After a while its unit and its bundle go, and the note that it has run stays.
	late := diff.Options{Now: ended.Add(time.Minute)}
	waiting := reconciletest.Resolve(t, job+reconciletest.Container("web", "dependsOn: [{kind: Job, name: job, condition: Completed}]"), reconciletest.Command)
	if plan := diff.Diff(waiting, n.Actual, late); slices.Contains(reconciletest.Verbs(plan), "remove-unit Job/job") {
		t.Errorf("what another waits for goes: %v", reconciletest.Verbs(plan))
	}
	plan, _, err := n.Apply(t, desired, late)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"remove-unit Job/job", "reload systemd", "remove-bundle " + done.BundleDir}
	if diff := cmp.Diff(want, reconciletest.Verbs(plan)); diff != "" {
		t.Error(diff)
	}
	if again := diff.Diff(desired, n.Actual, late); !again.Empty() {
		t.Errorf("it comes back: %v", reconciletest.Verbs(again))
	}

	// With the manifest the note goes too.
	plan, _, err = n.Apply(t, reconcile.Desired{}, late)
	if err != nil || !slices.Contains(reconciletest.Verbs(plan), "forget-job "+done.BundleDir) || len(n.Actual.Completed) > 0 {
		t.Errorf("%v: %v", reconciletest.Verbs(plan), err)
	}
}

func TestACronJobsRunIsLeftAlone(t *testing.T) {
	t.Parallel()
	const cronJob = reconciletest.Header + `CronJob
metadata: {name: backup}
spec:
  schedule: "0 3 * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: 'example.com/app:1', args: [one]}]}}}}
---
`
	n := reconciletest.NewNode()
	plan := n.MustApply(t, reconciletest.Resolve(t, cronJob, reconciletest.Command))
	if diff := cmp.Diff([]string{"start backup.timer"}, runs(plan)); diff != "" {
		t.Error(diff)
	}
	running := n.Actual.Workloads["backup.service"]
	running.Active, running.RunningDir = "activating", running.BundleDir
	n.Actual.Workloads["backup.service"] = running
	edited := reconciletest.Resolve(t, strings.Replace(cronJob, "one", "two", 1), reconciletest.Command)
	plan = n.MustApply(t, edited)
	if got := runs(plan); len(got) > 0 {
		t.Errorf("the edit disturbs the run: %v", got)
	}
	if !slices.Contains(n.Actual.Bundles, running.RunningDir) {
		t.Error("the bundle of the run is gone")
	}
	// systemd takes a timer's new time when it reloads its units.
	plan = n.MustApply(t, reconciletest.Resolve(t, strings.Replace(cronJob, "0 3", "0 4", 1), reconciletest.Command))
	if diff := cmp.Diff([]string{}, append([]string{}, runs(plan)...)); diff != "" || !slices.Contains(reconciletest.Verbs(plan), "reload systemd") {
		t.Errorf("%v: %s", reconciletest.Verbs(plan), diff)
	}
}

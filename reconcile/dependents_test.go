package reconcile

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/units/names"
)

// pod is a Pod manifest of two containers, with further lines of the pod's.
func pod(first string, lines ...string) string {
	return header + "Pod\nmetadata: {name: app}\nspec:\n  containers:\n    - {name: a, image: 'example.com/app:1', args: [" + first +
		"]}\n    - {name: b, image: 'example.com/app:1'}\n  " + strings.Join(lines, "\n  ") + "\n---\n"
}

// runs are the actions of a plan that start or stop something, with their units.
func runs(plan Plan) []string {
	var found []string
	for _, action := range plan.Actions {
		if slices.Contains([]Verb{Start, Restart, Stop}, action.Verb) {
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
		"a required container its dependents":        {web + container("db"), web + container("db", "args: [x]"), "restart db.service, start web.service"},
		"also when they change":                      {web + container("db"), webEdited + container("db", "args: [x]"), "restart db.service, start web.service"},
		"a wanted one does not":                      {webWants + container("db"), webWants + container("db", "args: [x]"), "restart db.service"},
		"a container that gets a socket stops first": {container("web"), container("web", listens("80")), "restart web.service, start web.socket"},
		"one that loses it starts by itself":         {container("web", listens("80")), container("web"), "stop web.socket, start web.service"},
		"an idle container stays so":                 {container("web", listens("80")), container("web", listens("81")), "restart web.socket"},
		"nothing happens for a change in resources":  {pod("one"), pod("one", "terminationGracePeriodSeconds: 7"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode()
			n.mustApply(t, resolve(t, test.before, command))
			plan := n.mustApply(t, resolve(t, test.after, command))
			if got := strings.Join(runs(plan), ", "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if again := Diff(resolve(t, test.after, command), n.actual, Options{}); !again.Empty() {
				t.Errorf("the second plan is not empty: %v", verbs(again))
			}
		})
	}
}

// TestAStartWaitsForTheFilesOfWhatItStartsAlong keeps systemd from starting what failed as it was before.
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
			n := newNode()
			n.mustApply(t, resolve(t, web+container("db"), command))
			for unit, active := range map[string]string{"db.service": test.active, "web.service": "inactive"} {
				current := n.actual.Workloads[unit]
				current.Active, current.Started = names.ActiveState(active), false
				n.actual.Workloads[unit] = current
			}
			plan := Diff(resolve(t, web+container("db", "args: [x]"), command), n.actual, Options{})
			i := slices.IndexFunc(plan.Actions, func(action Action) bool { return action.ID == "start web.service" })
			if i < 0 {
				t.Fatalf("web is not started: %v", verbs(plan))
			}
			if waits := slices.Contains(plan.Actions[i].Needs, "write-unit db.service"); waits != test.waits {
				t.Errorf("needs %v", plan.Actions[i].Needs)
			}
		})
	}
}

func TestARunningContainerFollowsItsSocket(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.mustApply(t, resolve(t, container("web", listens("80")), command))
	if err := n.StartUnit(t.Context(), "web.service"); err != nil { // somebody connects
		t.Fatal(err)
	}
	plan := n.mustApply(t, resolve(t, container("web", listens("81")), command))
	if got, want := strings.Join(runs(plan), ", "), "restart web.socket, start web.service"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	plan = n.mustApply(t, resolve(t, container("web", listens("81"), "args: [x]"), command))
	if got, want := strings.Join(runs(plan), ", "), "restart web.service"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func listens(port string) string { return "sockets: [{name: http, listenStream: " + port + "}]" }

func initContainer(arg string) string {
	return "initContainers: [{name: i, image: 'example.com/app:1', args: [" + arg + "]}]"
}

var (
	web       = container("web", "dependsOn: [{name: db, condition: Ready}]")
	webEdited = container("web", "args: [y]", "dependsOn: [{name: db, condition: Ready}]")
	webWants  = container("web", "dependsOn: [{name: db}]")
)

const job = header + `Job
metadata: {name: job}
spec:
  ttlSecondsAfterFinished: 60
  template: {spec: {restartPolicy: Never, containers: [{name: a, image: 'example.com/app:1'}]}}
---
`

func TestAJobThatIsDone(t *testing.T) {
	t.Parallel()
	n := newNode()
	desired := resolve(t, job, command)
	n.mustApply(t, desired)
	done := n.actual.Workloads["job.service"]
	done.Active = "inactive"
	n.actual.Workloads["job.service"] = done
	ended := time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC)
	n.actual.Completed = map[string]time.Time{done.BundleDir: ended}
	if plan := Diff(desired, n.actual, Options{Now: ended}); !plan.Empty() {
		t.Errorf("right after: %v", verbs(plan))
	}

	// After a while its unit and its bundle go, and the note that it has run stays.
	late := Options{Now: ended.Add(time.Minute)}
	waiting := resolve(t, job+container("web", "dependsOn: [{kind: Job, name: job, condition: Completed}]"), command)
	if plan := Diff(waiting, n.actual, late); slices.Contains(verbs(plan), "remove-unit Job/job") {
		t.Errorf("what another waits for goes: %v", verbs(plan))
	}
	plan, _, err := n.apply(t, desired, late)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"remove-unit Job/job", "reload systemd", "remove-bundle " + done.BundleDir}
	if diff := cmp.Diff(want, verbs(plan)); diff != "" {
		t.Error(diff)
	}
	if again := Diff(desired, n.actual, late); !again.Empty() {
		t.Errorf("it comes back: %v", verbs(again))
	}

	// With the manifest the note goes too.
	plan, _, err = n.apply(t, Desired{}, late)
	if err != nil || !slices.Contains(verbs(plan), "forget-job "+done.BundleDir) || len(n.actual.Completed) > 0 {
		t.Errorf("%v: %v", verbs(plan), err)
	}
}

func TestACronJobsRunIsLeftAlone(t *testing.T) {
	t.Parallel()
	const cronJob = header + `CronJob
metadata: {name: backup}
spec:
  schedule: "0 3 * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: 'example.com/app:1', args: [one]}]}}}}
---
`
	n := newNode()
	plan := n.mustApply(t, resolve(t, cronJob, command))
	if diff := cmp.Diff([]string{"start backup.timer"}, runs(plan)); diff != "" {
		t.Error(diff)
	}
	running := n.actual.Workloads["backup.service"]
	running.Active, running.RunningDir = "activating", running.BundleDir
	n.actual.Workloads["backup.service"] = running
	edited := resolve(t, strings.Replace(cronJob, "one", "two", 1), command)
	plan = n.mustApply(t, edited)
	if got := runs(plan); len(got) > 0 {
		t.Errorf("the edit disturbs the run: %v", got)
	}
	if !slices.Contains(n.actual.Bundles, running.RunningDir) {
		t.Error("the bundle of the run is gone")
	}
	// systemd takes a timer's new time when it reloads its units.
	plan = n.mustApply(t, resolve(t, strings.Replace(cronJob, "0 3", "0 4", 1), command))
	if diff := cmp.Diff([]string{}, append([]string{}, runs(plan)...)); diff != "" || !slices.Contains(verbs(plan), "reload systemd") {
		t.Errorf("%v: %s", verbs(plan), diff)
	}
}

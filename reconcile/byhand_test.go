package reconcile

import (
	"testing"
	"time"
)

// TestAnInterruptedPassIsNobodysDoing enables and starts a unit that a pass wrote and did not get to
// enable, and leaves alone one that somebody disabled.
func TestAnInterruptedPassIsNobodysDoing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		owed, started bool
		want          []Verb
	}{
		"disabled by somebody":                 {false, false, []Verb{}},
		"written and not enabled":              {true, false, []Verb{WriteUnit, Reload, Start}},
		"disabled by somebody while it ran on": {false, true, []Verb{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode()
			desired := resolve(t, container("web"), command)
			n.mustApply(t, desired)
			workload := n.actual.Workloads["web.service"]
			workload.Active, workload.Enabled, workload.Started, workload.RunningDir = "inactive", "disabled", test.started, ""
			n.actual.Workloads["web.service"] = workload
			var owed map[string]string
			if test.owed {
				owed = map[string]string{"web.service": ""}
			}
			got := verbs(Diff(desired, n.actual, Options{Owed: owed}))
			if len(got) != len(test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// TestWhatStopsAlongIsStartedAgain tells a unit that systemd stopped with one that it requires from one
// that somebody stopped.
func TestWhatStopsAlongIsStartedAgain(t *testing.T) {
	t.Parallel()
	at := time.Now()
	for name, test := range map[string]struct {
		active string
		since  time.Time
		want   int
	}{
		"db runs on":                      {"active", at.Add(-time.Hour), 0},
		"db was restarted since":          {"active", at.Add(time.Second), 1},
		"db failed and is to start again": {"activating", at.Add(-time.Hour), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode()
			desired := resolve(t, container("db")+container("web", "dependsOn: [{name: db, condition: Ready}]"), command)
			n.mustApply(t, desired)
			web, db := n.actual.Workloads["web.service"], n.actual.Workloads["db.service"]
			web.Active, web.RunningDir, web.Since = "inactive", "", at
			db.Active, db.Since = test.active, test.since
			n.actual.Workloads["web.service"], n.actual.Workloads["db.service"] = web, db
			if got := Diff(desired, n.actual, Options{}).Actions; len(got) != test.want {
				t.Errorf("got %v, want %d actions", got, test.want)
			}
		})
	}
}

// TestWhatIsStoppingIsLeftToSystemd starts nothing that ended by itself before systemd has decided what
// comes of it: a start then would hide that it ended, and how often.
func TestWhatIsStoppingIsLeftToSystemd(t *testing.T) {
	t.Parallel()
	n := newNode()
	desired := resolve(t, container("web"), command)
	n.mustApply(t, desired)
	for active, want := range map[string]int{"deactivating": 0, "failed": 1} {
		web := n.actual.Workloads["web.service"]
		web.Active, web.Result, web.RunningDir, web.Started = active, "oom-kill", "", true
		n.actual.Workloads["web.service"] = web
		if got := Diff(desired, n.actual, Options{}).Actions; len(got) != want {
			t.Errorf("%s: got %v, want %d actions", active, got, want)
		}
	}
}

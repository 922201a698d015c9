package reconcile

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// jobNode is a node with a job, of which generations keep every version that there was.
type jobNode struct {
	*node
	kept []Generation
	now  time.Time
}

func newJobNode() *jobNode {
	return &jobNode{node: newNode(), now: time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC)}
}

// ran applies what is desired, lets what was started end well, and reports whether the job's unit was started.
func (n *jobNode) ran(t *testing.T, desired Desired, options Options) bool {
	t.Helper()
	n.now = n.now.Add(time.Hour)
	n.kept = slices.Insert(n.kept, 0, NewGeneration(len(n.kept)+1, desired, "", n.now))
	options.Kept, options.Now = n.kept, n.now
	_, calls, err := n.apply(t, desired, options)
	if err != nil {
		t.Fatal(err)
	}
	if rest := Diff(desired, n.actual, options); !rest.Empty() {
		t.Errorf("a second apply would still do %v", verbs(rest))
	}
	for unit, current := range n.actual.Workloads {
		if current.Active == "active" {
			current.Active, current.RunningDir = "inactive", ""
			n.actual.Workloads[unit] = current
			n.actual.Completed[current.BundleDir] = n.now
		}
	}
	return slices.Contains(calls, "start job.service")
}

// TestAJobsRecordIsOfTheObjectAsItIs walks through changes of a job that has ended well each time.
func TestAJobsRecordIsOfTheObjectAsItIs(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"kept for ever":            strings.Replace(job, "  ttlSecondsAfterFinished: 60\n", "", 1),
		"gone once it has expired": job,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := resolve(t, text, command)
			second := resolve(t, strings.Replace(text, "name: a,", "name: a, args: [second],", 1), command)
			none := resolve(t, container("other"), command)
			held := Options{HoldPrune: "a manifest has errors"}
			n := newJobNode()
			for i, step := range []struct {
				what    string
				desired Desired
				options Options
				runs    bool
			}{
				{"the first version", first, Options{}, true},
				{"the same", first, Options{}, false},
				{"a changed one", second, Options{}, true},
				{"changed back", first, Options{}, true},
				{"deleted", none, Options{}, false},
				{"added again", first, Options{}, true},
				{"missing while another manifest has an error", none, held, false},
				{"there again", first, Options{}, false},
				{"changed while another manifest has an error", second, held, true},
				{"changed back then", first, held, true},
				{"changed", second, Options{}, true},
				{"rolled back", Restore(first), Options{Restored: true}, false},
				{"resumed", second, Options{}, false},
				{"rolled back to before it was there", Restore(none), Options{Restored: true}, false},
				{"resumed", second, Options{}, false},
				{"another version that is to fail", first, Options{}, true},
				{"taken back", fallBack(first, map[string]bool{"Job/job": true}, second), Options{}, false},
			} {
				if got := n.ran(t, step.desired, step.options); got != step.runs {
					t.Errorf("%d, %s: runs %v, want %v", i, step.what, got, step.runs)
				}
			}
		})
	}
}

// TestARecordGoesWithTheLastGenerationThatHasIt removes what nothing can go back to.
func TestARecordGoesWithTheLastGenerationThatHasIt(t *testing.T) {
	t.Parallel()
	n := newJobNode()
	n.ran(t, resolve(t, job, command), Options{})
	none := resolve(t, container("other"), command)
	n.ran(t, none, Options{})
	if len(n.actual.Completed) > 1 || len(n.actual.PutAside) != 1 {
		t.Errorf("deleted, with a generation that has it: %v %v", n.actual.Completed, n.actual.PutAside)
	}
	n.kept = nil
	n.ran(t, none, Options{})
	if len(n.actual.PutAside) > 0 {
		t.Errorf("without one: %v", n.actual.PutAside)
	}
}

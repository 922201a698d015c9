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

// jobNode is a node with a job, of which generations keep every version that there was.
type jobNode struct {
	*reconciletest.Node
	kept []history.Generation
	now  time.Time
}

func newJobNode() *jobNode {
	return &jobNode{Node: reconciletest.NewNode(), now: time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC)}
}

// ran applies a desired state, lets started units complete, and reports whether the job's unit was started.
func (n *jobNode) ran(t *testing.T, desired reconcile.Desired, options diff.Options) bool {
	t.Helper()
	n.now = n.now.Add(time.Hour)
	n.kept = slices.Insert(n.kept, 0, history.NewGeneration(len(n.kept)+1, desired, "", n.now))
	options.Kept, options.Now = n.kept, n.now
	_, calls, err := n.Apply(t, desired, options)
	if err != nil {
		t.Fatal(err)
	}
	if rest := diff.Diff(desired, n.Actual, options); !rest.Empty() {
		t.Errorf("a second apply would still do %v", reconciletest.Verbs(rest))
	}
	for unit, current := range n.Actual.Workloads {
		if current.Active == "active" {
			current.Active, current.RunningDir = "inactive", ""
			n.Actual.Workloads[unit] = current
			n.Actual.Completed[current.BundleDir] = n.now
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
			first := reconciletest.Resolve(t, text, reconciletest.Command)
			second := reconciletest.Resolve(t, strings.Replace(text, "name: a,", "name: a, args: [second],", 1), reconciletest.Command)
			none := reconciletest.Resolve(t, reconciletest.Container("other"), reconciletest.Command)
			held := diff.Options{HoldPrune: "a manifest has errors"}
			n := newJobNode()
			for i, step := range []struct {
				what    string
				desired reconcile.Desired
				options diff.Options
				runs    bool
			}{
				{"the first version", first, diff.Options{}, true},
				{"the same", first, diff.Options{}, false},
				{"a changed one", second, diff.Options{}, true},
				{"changed back", first, diff.Options{}, true},
				{"deleted", none, diff.Options{}, false},
				{"added again", first, diff.Options{}, true},
				{"missing while another manifest has an error", none, held, false},
				{"there again", first, diff.Options{}, false},
				{"changed while another manifest has an error", second, held, true},
				{"changed back then", first, held, true},
				{"changed", second, diff.Options{}, true},
				{"rolled back", history.Restore(first), diff.Options{Restored: true}, false},
				{"resumed", second, diff.Options{}, false},
				{"rolled back to before it was there", history.Restore(none), diff.Options{Restored: true}, false},
				{"resumed", second, diff.Options{}, false},
				{"another version that is to fail", first, diff.Options{}, true},
				{"taken back", history.FallBack(first, map[string]bool{"Job/job": true}, second), diff.Options{}, false},
			} {
				if got := n.ran(t, step.desired, step.options); got != step.runs {
					t.Errorf("%d, %s: runs %v, want %v", i, step.what, got, step.runs)
				}
			}
		})
	}
}

// TestARecordGoesWithTheLastGenerationThatHasIt removes records of generations to which no rollback can return.
func TestARecordGoesWithTheLastGenerationThatHasIt(t *testing.T) {
	t.Parallel()
	n := newJobNode()
	n.ran(t, reconciletest.Resolve(t, job, reconciletest.Command), diff.Options{})
	none := reconciletest.Resolve(t, reconciletest.Container("other"), reconciletest.Command)
	n.ran(t, none, diff.Options{})
	if len(n.Actual.Completed) > 1 || len(n.Actual.PutAside) != 1 {
		t.Errorf("deleted, with a generation that has it: %v %v", n.Actual.Completed, n.Actual.PutAside)
	}
	n.kept = nil
	n.ran(t, none, diff.Options{})
	if len(n.Actual.PutAside) > 0 {
		t.Errorf("without one: %v", n.Actual.PutAside)
	}
}

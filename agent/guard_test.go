package agent

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/agent/watch"
	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
)

// fault: a file is cut at any byte
func TestNothingIsRemovedByAnIncompleteSet(t *testing.T) {
	t.Parallel()
	const good = "apiVersion: davit/v1\nkind: Volume\nmetadata: {name: a}\n"
	problem := object.Diagnostics{{Message: "not readable"}}
	for name, test := range map[string]struct {
		tree watch.Tree
		text string
		hold bool
	}{
		"whole":             {watch.Tree{}, good, false},
		"empty":             {watch.Tree{}, "", true},
		"only disabled":     {watch.Tree{}, "apiVersion: davit/v1\nkind: Volume\nmetadata: {name: a, disabled: true}\n", false},
		"an error":          {watch.Tree{}, good + "---\nkind: x\n", true},
		"a file not read":   {watch.Tree{Problems: problem}, good, true},
		"a file not parsed": {watch.Tree{}, "a: [", true},
	} {
		set := manifests.Load([]manifests.File{{Path: "a.yaml", Text: []byte(test.text)}}, manifests.Options{})
		if got := GuardFor(test.tree, set).Hold != ""; got != test.hold {
			t.Errorf("%s: held %v, want %v", name, got, test.hold)
		}
	}
}

// fault: most objects vanish at once
func TestManyRemovalsAtOnceNeedAWord(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		there, wanted int
		confirmed     bool
		held          bool
	}{
		"a few":                 {8, 5, false, false},
		"the last of few":       {3, 0, false, false},
		"more than half":        {8, 3, false, true},
		"half":                  {8, 4, false, false},
		"more than half, meant": {8, 3, true, false},
	} {
		actual := reconcile.Actual{Workloads: map[string]reconcile.ActualWorkload{}}
		desired := reconcile.Desired{Workloads: map[string]reconcile.Workload{}}
		for i := range test.there {
			unit := fmt.Sprintf("w%d.service", i)
			workload := reconcile.ActualWorkload{Ref: v1.Ref{Kind: v1.KindContainer, Name: unit}, Active: "active", Started: true}
			actual.Workloads[unit] = workload
			if i < test.wanted {
				desired.Workloads[unit] = reconcile.Workload{Ref: workload.Ref}
				actual.Bundles = []string{""}
			}
		}
		plan := Guard{Confirmed: test.confirmed}.diff(desired, actual, diff.Options{})
		held := len(plan.Held) > 0 && strings.Contains(plan.Held[0].Reason, "confirm")
		if held != test.held {
			t.Errorf("%s: held %v, want %v", name, plan.Held, test.held)
		}
	}
}

// TestWhatBecomesOfAnotherKindHasNotVanished needs no word where objects change their kind and keep their names.
func TestWhatBecomesOfAnotherKindHasNotVanished(t *testing.T) {
	t.Parallel()
	actual := reconcile.Actual{Workloads: map[string]reconcile.ActualWorkload{}, Bundles: []string{""}}
	desired := reconcile.Desired{Workloads: map[string]reconcile.Workload{}}
	for i := range 8 {
		name := fmt.Sprintf("w%d", i)
		actual.Workloads[name+".service"] = reconcile.ActualWorkload{
			Ref: v1.Ref{Kind: v1.KindContainer, Name: name}, Active: "active", Started: true,
		}
		desired.Workloads[name+"-main.service"] = reconcile.Workload{Ref: v1.Ref{Kind: v1.KindPod, Name: name}}
	}
	if plan := (Guard{}).diff(desired, actual, diff.Options{}); len(plan.Held) > 0 {
		t.Errorf("held: %v", plan.Held)
	}
}

// TestWhatMayHaveMovedIsNotRemoved removes, while a manifest keeps changing, only objects of other manifests.
func TestWhatMayHaveMovedIsNotRemoved(t *testing.T) {
	t.Parallel()
	volume := func(name string) string {
		return "---\napiVersion: davit/v1\nkind: Volume\nmetadata: {name: " + name + "}\n"
	}
	tree := func(text string) watch.Tree {
		return watch.Tree{Files: []manifests.File{{Path: "/m/changing.yaml", Text: []byte(text)}}}
	}
	for name, test := range map[string]struct {
		verdict watch.Verdict
		now     watch.Tree
		held    bool
		want    map[string]bool
	}{
		"what there was before": {
			watch.Verdict{Firm: tree(volume("before"))}, tree(volume("now")), false, map[string]bool{"Volume/before": true},
		},
		"what there is in a file that is not applied": {
			watch.Verdict{Firm: tree(volume("before")), Changing: []string{"/m/changing.yaml"}}, tree(volume("now")), false,
			map[string]bool{"Volume/before": true, "Volume/now": true},
		},
		"anything, while such a file has an error": {
			watch.Verdict{Firm: tree(volume("before")), Changing: []string{"/m/changing.yaml"}}, tree("kind: ["), true,
			map[string]bool{"Volume/before": true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var guard Guard
			test.verdict.Unsettled = []string{"/m/changing.yaml"}
			guard.keepUnsettled(test.verdict, test.now, manifests.Options{})
			want := diff.Unsettled{Sources: map[string]bool{"/m/changing.yaml": true}, Objects: test.want}
			if diff := cmp.Diff(want, guard.Unsettled); diff != "" || (guard.Hold != "") != test.held {
				t.Errorf("held %q, %s", guard.Hold, diff)
			}
		})
	}
}

package agent

import (
	"cmp"
	"fmt"

	"github.com/davit-project/davit/agent/watch"
	"github.com/davit-project/davit/manifests"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
)

// Guard decides which removals a plan may contain.
type Guard struct {
	// Hold says why nothing may be removed; empty when it may.
	Hold string
	// Confirmed lets a plan remove many workloads at once.
	Confirmed bool
	// ReportDrift is set if drift is only reported, not repaired.
	ReportDrift bool
	// Unsettled are the objects that may not be removed because of manifests that keep changing.
	Unsettled diff.Unsettled
	// Limit is how many percent of the workloads may go at once unconfirmed; 0 means the default.
	Limit int
}

// defaultLimit is in percent.
const defaultLimit = 50

// massPrune is the number of workloads that must vanish at once, and more than the limit's part of all, before their removal
// needs a confirmation: that is the effect of a wrong branch or a wiped directory.
const massPrune = 3

// GuardFor holds removals back unless the set of manifests is whole. An object that a manifest itself leaves out for this node is
// not missing.
func GuardFor(tree watch.Tree, set *manifests.Set) Guard {
	switch {
	case len(tree.Problems) > 0 || !set.Complete():
		return Guard{Hold: "a manifest has errors, so a missing object may only be misread"}
	case len(set.Objects) == 0 && len(set.LeftOut) == 0:
		return Guard{Hold: "there is no manifest at all: delete the last unit with davit apply --confirm-prune"}
	default:
		return Guard{}
	}
}

// keepUnsettled holds back the removal of objects that manifests which keep changing define, defined before they began to change,
// or may define again.
func (g *Guard) keepUnsettled(verdict watch.Verdict, now watch.Tree, options manifests.Options) {
	g.Unsettled = diff.Unsettled{Sources: map[string]bool{}, Objects: map[string]bool{}}
	for _, path := range verdict.Unsettled {
		g.Unsettled.Sources[path] = true
	}
	trees := []watch.Tree{verdict.Firm}
	if len(verdict.Changing) > 0 {
		trees = append(trees, now)
	}
	for _, tree := range trees {
		set := manifests.Load(tree.Files, options)
		if len(tree.Problems) > 0 || !set.Complete() {
			g.Hold = "manifests with errors keep changing, so a missing object may only be misread"
			return
		}
		for _, object := range set.Objects {
			g.Unsettled.Objects[object.Ref().String()] = true
		}
	}
}

func (g Guard) diff(desired reconcile.Desired, actual reconcile.Actual, options diff.Options) reconcile.Plan {
	options.HoldPrune, options.Confirmed, options.Unsettled = g.Hold, g.Confirmed, g.Unsettled
	plan := diff.Diff(desired, actual, options)
	removed, all := removals(plan, desired, actual)
	if g.Confirmed || removed <= massPrune || removed*100 <= all*cmp.Or(g.Limit, defaultLimit) {
		return plan
	}
	options.HoldPrune = fmt.Sprintf("%d of %d workloads would be removed at once: confirm with davit apply --confirm-prune", removed, all)
	return diff.Diff(desired, actual, options)
}

// removals counts the objects that a plan removes altogether, and the objects on the node. An object that becomes another kind
// under its name has not vanished.
func removals(plan reconcile.Plan, desired reconcile.Desired, actual reconcile.Actual) (removed, all int) {
	objects, gone := make(map[v1.Ref]bool, len(actual.Workloads)), map[string]bool{}
	for _, workload := range actual.Workloads {
		objects[workload.Ref] = true
	}
	for _, action := range plan.Actions {
		if action.Verb == reconcile.RemoveUnit {
			gone[action.Object] = true
		}
	}
	if len(gone) == 0 {
		return 0, len(objects)
	}
	for _, workload := range desired.Workloads {
		delete(gone, workload.Ref.String())
		for _, kind := range []string{v1.KindContainer, v1.KindPod, v1.KindJob, v1.KindCronJob} {
			delete(gone, v1.Ref{Kind: kind, Name: workload.Ref.Name}.String())
		}
	}
	return len(gone), len(objects)
}

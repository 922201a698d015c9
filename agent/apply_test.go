package agent

import (
	"testing"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/history"
)

func TestAVersionThatFailedHasEndedWhoeverSawIt(t *testing.T) {
	t.Parallel()
	const object = "Container/web"
	desired := reconcile.Desired{Workloads: map[string]reconcile.Workload{"web.service": {Ref: v1.Ref{Kind: "Container", Name: "web"}, UnitText: "two"}}}
	version := history.Versions(desired)[object]
	start := reconcile.Action{Verb: reconcile.Start, Object: object, Target: "web.service"}
	stop := reconcile.Action{Verb: reconcile.Stop, Object: object, Target: "web.service"}
	for name, test := range map[string]struct {
		action reconcile.Action
		newest history.Generation
		want   bool
	}{
		"it is starting": {start, history.Generation{Objects: map[string]history.Version{object: version}}, false},
		"another process recorded that it failed": {start, history.Generation{Objects: map[string]history.Version{object: version}, Failed: map[string]string{object: "not ready"}}, true},
		"the version before failed":               {start, history.Generation{Objects: map[string]history.Version{object: "before"}, Failed: map[string]string{object: "not ready"}}, false},
		"it failed, and is being stopped":         {stop, history.Generation{Objects: map[string]history.Version{object: version}, Failed: map[string]string{object: "not ready"}}, false},
	} {
		r := &reconciler{flights: map[string]flight{"web.service": {test.action}}, watched: true}
		result := Result{
			view: &view{desired: desired, kept: []history.Generation{test.newest}},
		}
		if got := r.ended(result, true); got != test.want {
			t.Errorf("%s: ended is %t", name, got)
		}
	}
}

func TestWithoutAnAgentRepairsAreWaitedFor(t *testing.T) {
	t.Parallel()
	for name, isWatched := range map[string]bool{"no agent runs": false, "an agent takes over": true} {
		repair := reconcile.Action{Verb: reconcile.Repair, Object: "Container/web", Target: "web.service"}
		r := &reconciler{flights: map[string]flight{"web.service": {repair}}, watched: isWatched}
		if got := r.ended(Result{view: &view{}}, false); got != isWatched {
			t.Errorf("%s: ended is %t", name, got)
		}
	}
}

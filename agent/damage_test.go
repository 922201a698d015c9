package agent

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/drift"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

func TestWhatRunsIsChecked(t *testing.T) {
	t.Parallel()
	container := &bundle.Bundle{Launch: bundle.Launch{ID: "app"}, Spec: &specs.Spec{Process: &specs.Process{}}}
	sandbox := &bundle.Bundle{Launch: bundle.Launch{ID: "app"}, Spec: &specs.Spec{}}
	for name, test := range map[string]struct {
		is   reconcile.ActualWorkload
		want bool
	}{
		"a container that runs":         {reconcile.ActualWorkload{Active: "active", Sub: "running", RunningDir: "b", BundleDir: "b", Bundle: container}, true},
		"one whose record is gone":      {reconcile.ActualWorkload{Active: "active", Sub: "running", BundleDir: "b", Bundle: container}, true},
		"the sandbox of a pod":          {reconcile.ActualWorkload{Active: "active", Sub: "exited", RunningDir: "b", BundleDir: "b", Bundle: sandbox}, true},
		"a oneshot that has ended":      {reconcile.ActualWorkload{Active: "active", Sub: "exited", BundleDir: "b", Bundle: container}, false},
		"the same with a record":        {reconcile.ActualWorkload{Active: "active", Sub: "exited", RunningDir: "b", BundleDir: "b", Bundle: container}, false},
		"a container that is stopped":   {reconcile.ActualWorkload{Active: "inactive", Sub: "dead", BundleDir: "b", Bundle: container}, false},
		"one that runs an older bundle": {reconcile.ActualWorkload{Active: "active", Sub: "running", RunningDir: "a", BundleDir: "b", Bundle: container, Running: container}, true},
	} {
		if got := len(running(map[string]reconcile.ActualWorkload{"app.service": test.is})) > 0; got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

func TestWhatIsLookedAt(t *testing.T) {
	t.Parallel()
	of := func(ids ...string) (bundles []*bundle.Bundle) {
		for _, id := range ids {
			bundles = append(bundles, &bundle.Bundle{Launch: bundle.Launch{ID: id}})
		}
		return bundles
	}
	checked := map[string]bool{"web": true, "gone": true}
	for name, test := range map[string]struct {
		have *damage
		want []string
	}{
		"nothing is known":                         {&damage{}, []string{"web", "app"}},
		"something went":                           {&damage{checked: checked}, []string{"web", "app"}},
		"something is missing":                     {&damage{fresh: true, checked: checked, known: map[string][]string{"web": {"its address"}}}, []string{"web", "app"}},
		"a container did not run at the last look": {&damage{fresh: true, checked: checked}, []string{"app"}},
		"nothing went":                             {&damage{fresh: true, checked: map[string]bool{"web": true, "app": true}}, nil},
	} {
		var got []string
		for _, b := range test.have.due(of("web", "app")) {
			got = append(got, b.ID)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
		if !test.have.fresh {
			t.Errorf("%s: what goes from here on is not noticed", name)
		}
	}
}

func TestWhatALookHasNotSeenStaysAsItWas(t *testing.T) {
	t.Parallel()
	failure := errors.New("no netlink")
	of := func(ids ...string) map[string]bool {
		set := map[string]bool{}
		for _, id := range ids {
			set[id] = true
		}
		return set
	}
	before := map[string][]string{"web": {"its address"}}
	run := []*bundle.Bundle{{Launch: bundle.Launch{ID: "web"}}, {Launch: bundle.Launch{ID: "app"}}}
	for name, test := range map[string]struct {
		found   map[string][]string
		err     error
		want    sight
		checked map[string]bool
		fresh   bool
	}{
		"all is whole":        {nil, nil, sight{missing: map[string][]string{}}, map[string]bool{"web": true, "app": true}, true},
		"the same is missing": {before, nil, sight{missing: before}, map[string]bool{"web": true, "app": true}, true},
		"a launcher is at the container": {nil, drift.Unchecked{IDs: of("web")}, sight{missing: before, unseen: of("web")},
			map[string]bool{"web": false, "app": true}, true},
		"the check fails": {nil, drift.Unchecked{IDs: of("web", "app"), Err: failure}, sight{missing: before, unseen: of("web", "app"), err: failure},
			map[string]bool{"web": false, "app": false}, false},
		"the check fails, and finds something else": {map[string][]string{"web": {"its device"}}, drift.Unchecked{IDs: of("web"), Err: failure},
			sight{missing: map[string][]string{"web": {"its device"}}, unseen: of("web"), err: failure}, map[string]bool{"web": false, "app": true}, false},
	} {
		d := &damage{fresh: true, known: before}
		got := d.learn(run, test.found, test.err)
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(sight{}), cmpopts.EquateErrors()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(test.checked, d.checked); diff != "" || d.fresh != test.fresh {
			t.Errorf("%s: fresh %v, checked %s", name, d.fresh, diff)
		}
	}
}

func TestEveryLookMayFindWhatAPassHasToPlan(t *testing.T) {
	t.Parallel()
	run := []*bundle.Bundle{{Launch: bundle.Launch{ID: "web"}}}
	gone := map[string][]string{"web": {"its address"}}
	d := &damage{}
	d.learn(run, nil, nil)
	if d.isNews() {
		t.Error("that nothing is missing is news")
	}
	d.learn(run, gone, nil) // the report of how workloads are
	d.learn(run, gone, nil) // the check after the event
	if !d.isNews() {
		t.Error("what another look has found is no news")
	}
	d.planned()
	d.learn(run, gone, nil)
	if d.isNews() {
		t.Error("what a pass has planned with is news")
	}
	d.learn(run, nil, nil)
	if !d.isNews() {
		t.Error("that all is whole again is no news")
	}
}

package agent

import (
	"maps"
	"slices"
	"testing"

	"github.com/davit-project/davit/reconcile"
)

func TestWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	got := underway(map[string]flight{
		"web.service":    {reconcile.Action{Verb: reconcile.Start, Object: "Container/web", Target: "web.service"}},
		"broker.service": {reconcile.Action{Verb: reconcile.Stop, Object: "Container/broker", Target: "broker.service"}},
	})
	if want := "Container/broker: stop of broker.service is under way"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAPullThatIsTriedLaterIsNotUnderWay(t *testing.T) {
	t.Parallel()
	pull := reconcile.Action{ID: "pull", Verb: reconcile.PullImage, Object: "Container/web", Target: "example.com/web:1"}
	for name, test := range map[string]struct {
		waiting reconcile.Waiting
		want    bool
	}{
		"it is being pulled": {reconcile.Waiting{For: "pull of example.com/web:1"}, true},
		"it failed":          {reconcile.Waiting{For: "the next try is due at 12:00:00", Blocked: true}, false},
	} {
		r := newReconciler(&Node{}, false)
		r.pending = map[string]error{}
		r.note(reconcile.Event{Action: pull, Status: reconcile.Pending, Err: test.waiting})
		if _, flies := r.flights[pull.Target]; r.fetching != test.want || flies != test.want {
			t.Errorf("%s: got fetching %v, under way %v, want %v", name, r.fetching, flies, test.want)
		}
	}
}

func TestRepairsThatAreNotPlannedAnyMoreAreDropped(t *testing.T) {
	t.Parallel()
	repair := func(unit string) reconcile.Action {
		return reconcile.Action{ID: "repair " + unit, Verb: reconcile.Repair, Target: unit}
	}
	start := reconcile.Action{ID: "start db.service", Verb: reconcile.Start, Target: "db.service"}
	r := newReconciler(nil, true)
	r.flights = map[string]flight{"web.service": {repair("web.service")}, "app.service": {repair("app.service")}, "db.service": {start}}
	r.dropRepairs(reconcile.Plan{Actions: []reconcile.Action{repair("web.service")}})
	if got, want := slices.Sorted(maps.Keys(r.flights)), []string{"db.service", "web.service"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

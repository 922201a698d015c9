package agent

import (
	"maps"
	"slices"
	"testing"

	"github.com/davit-project/davit/reconcile"
)

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

package reconcile_test

import (
	"context"
	"strings"
	"testing"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/apply"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
)

// panics is a driver with a mistake in it, for one unit.
type panics struct {
	apply.Services
	unit string
}

func (p panics) StartUnit(ctx context.Context, name string) error {
	if name == p.unit {
		panic("assignment to entry in nil map")
	}
	return p.Services.StartUnit(ctx, name)
}

// TestAPanicIsOneObjectsFailure has the others go on, and the error says what happened, and where.
//
// fault: a part of davit panics | the object fails, with the place; the others go on
func TestAPanicIsOneObjectsFailure(t *testing.T) {
	t.Parallel()
	both := reconciletest.Resolve(t, reconciletest.Container("web")+reconciletest.Container("db"), reconciletest.Command)
	n := reconciletest.NewNode()
	drivers := n.Drivers()
	drivers.Services = panics{drivers.Services, "web.service"}
	n.Desired = both
	err := apply.Apply(t.Context(), diff.Diff(both, n.Actual, diff.Options{}), both, drivers, func(reconcile.Event) {})
	if err == nil || !strings.Contains(err.Error(), "start Container/web: panic: assignment to entry in nil map") || !strings.Contains(err.Error(), "panic_test.go:") {
		t.Errorf("got %v", err)
	}
	if n.Actual.Workloads["db.service"].Active != "active" {
		t.Error("db does not run")
	}
}

package reconcile

import (
	"context"
	"strings"
	"testing"
)

// panics is a driver with a mistake in it, for one unit.
type panics struct {
	Services
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
	both := resolve(t, container("web")+container("db"), command)
	n := newNode()
	drivers := n.drivers()
	drivers.Services = panics{drivers.Services, "web.service"}
	n.desired = both
	err := Apply(t.Context(), Diff(both, n.actual, Options{}), both, drivers, func(Event) {})
	if err == nil || !strings.Contains(err.Error(), "start Container/web: panic: assignment to entry in nil map") || !strings.Contains(err.Error(), "panic_test.go:") {
		t.Errorf("got %v", err)
	}
	if n.actual.Workloads["db.service"].Active != "active" {
		t.Error("db does not run")
	}
}

package reconcile_test

import (
	"context"
	"slices"
	"testing"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/apply"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
)

// TestAnEditEnablesNoUnitThatAnOperatorDisabled writes and restarts the unit and leaves it disabled, and says so.
func TestAnEditEnablesNoUnitThatAnOperatorDisabled(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	n.MustApply(t, reconciletest.Resolve(t, reconciletest.Container("web")+reconciletest.Container("other"), reconciletest.Command))
	changeWorkload(n, "web.service", func(w *reconcile.ActualWorkload) { w.Enabled = "disabled" })
	changed := reconciletest.Resolve(t, reconciletest.Container("web", "service: {Nice: 5}")+reconciletest.Container("other", "service: {Nice: 5}"), reconciletest.Command)
	plan := diff.Diff(changed, n.Actual, diff.Options{})
	if !slices.Contains(reconciletest.Verbs(plan), "restart Container/web") {
		t.Errorf("it is disabled, and its change is held: %v", plan.Held)
	}
	enabled := &enabler{Node: n}
	drivers := n.Drivers()
	drivers.UnitFiles = enabled
	n.Desired = changed
	if err := apply.Apply(context.Background(), plan, changed, drivers, func(reconcile.Event) {}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(enabled.names, []string{"other.service"}) {
		t.Errorf("it enabled %v", enabled.names)
	}
	plan = diff.Diff(changed, n.Actual, diff.Options{})
	if !plan.Empty() || len(plan.Held) != 1 || plan.Held[0].By != reconcile.ByDisable || !plan.Held[0].Intended {
		t.Errorf("planned %v, held %v", plan.Actions, plan.Held)
	}
}

// enabler records the units that are to be enabled.
type enabler struct {
	*reconciletest.Node
	names []string
}

func (e *enabler) Reload(ctx context.Context, enable []string) (map[string]error, error) {
	e.names = append(e.names, enable...)
	return e.Node.Reload(ctx, enable)
}

// TestAUnitThatWasNeverEnabledIs enables a unit that a pass wrote and was interrupted before it enabled it.
func TestAUnitThatWasNeverEnabledIs(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	desired := reconciletest.Resolve(t, reconciletest.Container("web"), reconciletest.Command)
	n.MustApply(t, desired)
	changeWorkload(n, "web.service", func(w *reconcile.ActualWorkload) {
		w.Active, w.Enabled, w.Started, w.RunningDir = "inactive", "disabled", false, ""
	})
	for _, action := range diff.Diff(desired, n.Actual, diff.Options{Owed: map[string]string{"web.service": ""}}).Actions {
		if action.Verb == reconcile.WriteUnit && action.Disabled {
			t.Error("it stays disabled")
		}
	}
}

package reconcile

import (
	"context"
	"slices"
	"testing"
)

// TestAnEditEnablesNoUnitThatAnOperatorDisabled writes and restarts the unit and leaves it disabled, and says so.
func TestAnEditEnablesNoUnitThatAnOperatorDisabled(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.mustApply(t, resolve(t, container("web")+container("other"), command))
	changeWorkload(n, "web.service", func(w *ActualWorkload) { w.Enabled = "disabled" })
	changed := resolve(t, container("web", "service: {Nice: 5}")+container("other", "service: {Nice: 5}"), command)
	plan := Diff(changed, n.actual, Options{})
	if !slices.Contains(verbs(plan), "restart Container/web") {
		t.Errorf("it is disabled, and its change is held: %v", plan.Held)
	}
	enabled := &enabler{node: n}
	drivers := n.drivers()
	drivers.UnitFiles = enabled
	n.desired = changed
	if err := Apply(context.Background(), plan, changed, drivers, func(Event) {}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(enabled.names, []string{"other.service"}) {
		t.Errorf("it enabled %v", enabled.names)
	}
	plan = Diff(changed, n.actual, Options{})
	if !plan.Empty() || len(plan.Held) != 1 || plan.Held[0].By != ByDisable || !plan.Held[0].Intended {
		t.Errorf("planned %v, held %v", plan.Actions, plan.Held)
	}
}

// enabler notes what is to be enabled.
type enabler struct {
	*node
	names []string
}

func (e *enabler) Reload(ctx context.Context, enable []string) (map[string]error, error) {
	e.names = append(e.names, enable...)
	return e.node.Reload(ctx, enable)
}

// TestAUnitThatWasNeverEnabledIs enables one that a pass wrote and did not come to enable.
func TestAUnitThatWasNeverEnabledIs(t *testing.T) {
	t.Parallel()
	n := newNode()
	desired := resolve(t, container("web"), command)
	n.mustApply(t, desired)
	changeWorkload(n, "web.service", func(w *ActualWorkload) {
		w.Active, w.Enabled, w.Started, w.RunningDir = "inactive", "disabled", false, ""
	})
	for _, action := range Diff(desired, n.actual, Options{Owed: map[string]string{"web.service": ""}}).Actions {
		if action.Verb == WriteUnit && action.Disabled {
			t.Error("it stays disabled")
		}
	}
}

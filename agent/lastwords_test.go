package agent

import (
	"errors"
	"testing"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// systemd may have begun the next try by the time the reason is asked for.
func TestTheCauseIsThatOfTheRunThatWasObserved(t *testing.T) {
	t.Parallel()
	run := reconcile.Run{Last: &bundle.LastRun{Result: "exit-code", Failure: &bundle.Failure{Error: "start web: no such volume"}}}
	v := &view{actual: reconcile.Actual{Workloads: map[string]reconcile.ActualWorkload{"web.service": {Run: &run}}}}
	got := (&Node{}).withCause(t.Context(), v, "web.service", errors.New("it ended (exit-code)"))
	if want := "start web: no such volume"; got.Error() != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

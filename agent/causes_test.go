package agent

import (
	"testing"

	"github.com/davit-project/davit/reconcile/history"
)

// A pass clears the obstacle of a change when it retries the change, and a failed pull waits for its next try.
func TestAFailedTryIsACauseUntilTheNextOne(t *testing.T) {
	t.Parallel()
	const object = "Container/web"
	w := &explainer{
		view:     &view{kept: []history.Generation{{}}},
		upcoming: upcoming{map[string]awaited{object: {For: "image example.com/app:2: the connection was closed", Failed: true}}},
	}
	want := Cause{Stage: StageImage, Object: object, Reason: reasonImage, Message: "example.com/app:2: the connection was closed"}
	if got := w.ofHindrance(object); len(got) != 1 || got[0] != want {
		t.Errorf("got %v, want %v", got, want)
	}
	w.upcoming.Objects[object] = awaited{For: "pull of example.com/app:2: 34 %"}
	if got := w.ofHindrance(object); len(got) > 0 {
		t.Errorf("a pull that goes on is the cause: %v", got)
	}
}

func TestRestartsAreCountedInWords(t *testing.T) {
	t.Parallel()
	for restarts, want := range map[uint32]string{0: "", 1: ", restarted once", 2: ", restarted 2 times"} {
		row := &ObjectReport{Restarts: restarts}
		if got := row.soFar(); got != want {
			t.Errorf("%d restarts: got %q, want %q", restarts, got, want)
		}
	}
}

package agent

import (
	"testing"
	"time"

	"github.com/davit-project/davit/units"
)

func TestRestartsAreForgottenAfterACalmTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	since := func(ago time.Duration) uint64 { return uint64(now.Add(-ago).UnixMicro()) }
	calmed := units.State{ActiveState: "active", Restarts: 3, Since: since(10 * time.Minute)}
	for name, test := range map[string]struct {
		change func(*units.State)
		want   bool
	}{
		"runs well for ten minutes": {func(*units.State) {}, true},
		"runs for less":             {func(s *units.State) { s.Since = since(9 * time.Minute) }, false},
		"was never restarted":       {func(s *units.State) { s.Restarts = 0 }, false},
		"waits for its next start":  {func(s *units.State) { s.ActiveState = "activating" }, false},
	} {
		state := calmed
		test.change(&state)
		if got := hasCalmedDown(state, now); got != test.want {
			t.Errorf("a container that %s: got %t", name, got)
		}
	}
}

func TestOnlyWhatWasHeardToChangeIsRestless(t *testing.T) {
	t.Parallel()
	var r changedUnits
	r.note("web.service")
	r.note("web.service")
	for _, want := range []int{1, 0} {
		if taken, err := r.take(); len(taken) != want || err != nil {
			t.Errorf("%v, %v: want %d", taken, err, want)
		}
	}
}

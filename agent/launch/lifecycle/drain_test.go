package lifecycle

import (
	"testing"
	"time"

	"github.com/davit-project/davit/units/bundle"
)

func TestHowLongAReplicaServesBeforeItStops(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		grace time.Duration
		hook  *bundle.Hook
		want  time.Duration
	}{
		"as long as clients need":          {10 * time.Second, nil, time.Second},
		"a part of a short grace period":   {time.Second, nil, 250 * time.Millisecond},
		"a hook that sleeps does the same": {10 * time.Second, &bundle.Hook{SleepSeconds: 1}, 0},
		"another hook comes afterwards":    {10 * time.Second, &bundle.Hook{Check: bundle.Check{Exec: []string{"x"}}}, time.Second},
	} {
		if got := drainOf(test.grace, test.hook); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

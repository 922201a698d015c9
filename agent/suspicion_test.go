package agent

import (
	"testing"
	"time"
)

func TestWhenToLookAtWhatWasHeard(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, test := range map[string]struct {
		heard  int64
		looked time.Time
		took   time.Duration
		want   time.Time
	}{
		"nothing was heard":            {0, now, time.Second, time.Time{}},
		"the first":                    {now.UnixNano(), time.Time{}, 0, now.Add(suspicionPause)},
		"after a look that is past":    {now.UnixNano(), now.Add(-time.Minute), time.Second, now.Add(suspicionPause)},
		"after a look that took 50 ms": {now.UnixNano(), now, 50 * time.Millisecond, now.Add(500 * time.Millisecond)},
		"after one that took long":     {now.UnixNano(), now, time.Minute, now.Add(suspicionMost)},
	} {
		s := suspicion{looked: test.looked, took: test.took}
		s.running.Store(test.heard)
		if got := s.dueRunning(); !got.Equal(test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

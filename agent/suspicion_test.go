package agent

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
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
		"after one that took 0.5 s":    {now.UnixNano(), now, 500 * time.Millisecond, now.Add(suspicionMost)},
		"after one that took long":     {now.UnixNano(), now, time.Minute, now.Add(3 * time.Minute)},
	} {
		s := suspicion{looked: test.looked, took: test.took}
		s.running.Store(test.heard)
		if got := s.dueRunning(); !got.Equal(test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

func TestPassesThatFindNothingToDoBecomeRare(t *testing.T) {
	t.Parallel()
	var s suspicion
	ask := func(worked bool) time.Duration {
		s.asked = true
		s.passed(worked)
		return s.passes.distance
	}
	for i := range 20 {
		if got, want := ask(false), min(suspicionPause<<i, idleMost); got != want {
			t.Errorf("after %d passes: got %s, want %s", i+1, got, want)
		}
	}
	heard := time.Now()
	s.state.Store(heard.UnixNano())
	if got := s.dueState(); got.Sub(heard) < idleMost-time.Second {
		t.Errorf("the next pass is due after %s", got.Sub(heard))
	}
	if s.passed(false); s.passes.distance != idleMost {
		t.Error("a pass for another reason counts")
	}
	if s.passes.last = time.Now().Add(-time.Hour); ask(false) != suspicionPause {
		t.Error("what was heard long ago counts")
	}
	ask(false)
	if ask(true) != 0 {
		t.Error("the distance stays after a pass that had something to do")
	}
}

func TestItListensAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err         error
		logged      string // before
		want, again bool
	}{
		"it listens":          {want: false},
		"it could not listen": {err: errors.New("no room"), again: true, want: true},
		"for the same reason": {err: errors.New("no room"), logged: "no room", again: true, want: false},
		"for another reason":  {err: errors.New("no room"), logged: "other", again: true, want: true},
	} {
		var log bytes.Buffer
		h := &hearing{ended: make(chan struct{}), err: test.err}
		if test.err != nil {
			close(h.ended)
		}
		a := &Agent{node: &Node{}, hearing: h, deaf: test.logged, log: slog.New(slog.NewTextHandler(&log, nil))}
		a.node.damage.fresh = true
		ctx, cancel := context.WithCancel(t.Context())
		a.listenAgain(ctx)
		if again := a.hearing != h; again != test.again || a.node.damage.fresh == test.again {
			t.Errorf("%s: tries again: %v, looks again: %v", name, again, !a.node.damage.fresh)
		}
		if got := strings.Contains(log.String(), "no room"); got != test.want {
			t.Errorf("%s: logged %q", name, log.String())
		}
		cancel()
		if a.hearing != h {
			<-a.hearing.ended
		}
	}
}

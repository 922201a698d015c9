package agent

import (
	"errors"
	"testing"
	"time"

	"github.com/davit-project/davit/reconcile"
)

func TestResultsOfRepairs(t *testing.T) {
	t.Parallel()
	failure, waiting := errors.New("no room"), new(reconcile.Waiting)
	now := time.Now()
	missing := map[string][]string{"web": {"the bridge davit0 is gone"}}
	for name, test := range map[string]struct {
		err      error
		seen     sight
		want     error
		forgets  bool // that it has ended
		waits    bool
		gotWords string
	}{
		"it failed":                      {err: failure, seen: sight{missing: missing}, want: failure, forgets: true},
		"it failed, and was not seen":    {err: failure, seen: sight{missing: missing, unseen: map[string]bool{"web": true}}, want: failure, forgets: true},
		"it did not help":                {seen: sight{began: now, missing: missing}, want: errMissing, forgets: true, gotWords: errMissing.Error() + ": the bridge davit0 is gone"},
		"it cannot be checked":           {seen: sight{began: now, missing: missing, unseen: map[string]bool{"web": true}, err: failure}, want: failure, forgets: true},
		"it ended during the look":       {seen: sight{began: now.Add(-time.Hour), missing: missing}, waits: true},
		"it ended, and was not seen yet": {seen: sight{began: now, missing: missing, unseen: map[string]bool{"web": true}}, waits: true},
	} {
		m := &repairQueue{ended: map[string]repaired{"web": {test.err, now.Add(-time.Minute)}}}
		m.saw(test.seen)
		got := m.begin(t.Context(), "web")
		if errors.As(got, waiting) != test.waits || test.want != nil && !errors.Is(got, test.want) {
			t.Errorf("%s: got %v", name, got)
		}
		if test.gotWords != "" && got.Error() != test.gotWords {
			t.Errorf("%s: got %q, want %q", name, got, test.gotWords)
		}
		if _, ended := m.ended["web"]; ended == test.forgets {
			t.Errorf("%s: its result is forgotten: %v", name, !ended)
		}
	}
}

func TestAResultIsForgottenOnceTheContainerIsSeenWhole(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		seen sight
		want bool
	}{
		"it is whole":                 {sight{}, false},
		"something is missing":        {sight{missing: map[string][]string{"web": {"its address"}}}, true},
		"a launcher is at it":         {sight{unseen: map[string]bool{"web": true}}, true},
		"another one was not checked": {sight{unseen: map[string]bool{"app": true}}, false},
	} {
		m := &repairQueue{ended: map[string]repaired{"web": {}}}
		m.saw(test.seen)
		if _, kept := m.ended["web"]; kept != test.want {
			t.Errorf("%s: kept: %v", name, kept)
		}
	}
}

package cleanup

import (
	"testing"
	"time"

	"github.com/davit-project/davit/units/bundle"
)

func TestEndsCountInARowUntilARunIsCalm(t *testing.T) {
	t.Parallel()
	end := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	ended := func(ago time.Duration, bundleDir string) *bundle.LastRun {
		return &bundle.LastRun{InARow: 3, At: end.Add(-ago), Bundle: bundleDir}
	}
	waited := ended(12*time.Minute, "web-1")
	waited.Next = end.Add(-9 * time.Minute)
	for name, test := range map[string]struct {
		before *bundle.LastRun
		bundle string
		want   int
	}{
		"the first end":                      {nil, "web-1", 1},
		"an end soon after the one before":   {ended(time.Minute, "web-1"), "web-1", 4},
		"after a run of ten minutes":         {ended(10*time.Minute, "web-1"), "web-1", 1},
		"after a wait and nine minutes":      {waited, "web-1", 4},
		"another bundle":                     {ended(time.Minute, "web-2"), "web-1", 1},
		"a start that found no bundle":       {ended(time.Minute, "web-1"), "", 4},
		"after a start that found no bundle": {ended(time.Minute, ""), "web-1", 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := inARow(test.before, bundle.LastRun{At: end, Bundle: test.bundle}); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

func TestTheDelayDoublesUpToItsBoundWithSomeChance(t *testing.T) {
	t.Parallel()
	const longest = 300 * time.Second
	for ends, want := range map[int]time.Duration{1: 1, 2: 2, 3: 4, 6: 32, 9: 256, 10: 300, 1000: 300} {
		want *= time.Second
		seen := map[time.Duration]bool{}
		for range 50 {
			delay := delayAfter(ends, time.Second, longest)
			if delay > want || delay < want*9/10-1 {
				t.Errorf("after %d ends: %s, want %s or a tenth less", ends, delay, want)
			}
			seen[delay] = true
		}
		if (len(seen) > 1) != (ends > 1) {
			t.Errorf("after %d ends: %d different delays of 50", ends, len(seen))
		}
	}
}

func TestOnlyRestartsOfSystemdsOwnWait(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		settings settings
		result   string
		want     bool
	}{
		"a crash":                       {settings{restart: "always", system: "running", delay: time.Second}, "exit-code", true},
		"an end":                        {settings{restart: "always", system: "degraded", delay: time.Second}, "success", true},
		"a failure":                     {settings{restart: "on-failure", system: "running", delay: time.Second}, "signal", true},
		"a success that is the end":     {settings{restart: "on-failure", system: "running", delay: time.Second}, "success", false},
		"what does not restart":         {settings{restart: "no", system: "running", delay: time.Second}, "exit-code", false},
		"a wait that an operator chose": {settings{restart: "always", system: "running", delay: 20 * time.Second}, "exit-code", false},
		"while the node boots":          {settings{restart: "always", system: "starting", delay: time.Second}, "exit-code", false},
		"while the node shuts down":     {settings{restart: "always", system: "stopping", delay: time.Second}, "exit-code", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := test.settings.waits(test.result); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

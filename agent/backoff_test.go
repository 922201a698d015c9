package agent

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

func TestAUnitWhoseLauncherWaitsIsAsOneThatSystemdLetsWait(t *testing.T) {
	t.Parallel()
	began := time.Unix(1000, 0)
	starting := units.State{
		LoadState: "loaded", ActiveState: "activating", SubState: "start", Result: "success", Type: "notify",
		HasJob: true, Job: "start", MainPID: 7, StatusText: "waits", Invocation: "two", Since: uint64(began.UnixMicro()), Restarts: 3,
	}
	last := bundle.LastRun{Invocation: "one", Result: "exit-code", At: began.Add(-time.Second), Next: began.Add(7 * time.Second)}
	want := units.State{
		LoadState: "loaded", ActiveState: "activating", SubState: "auto-restart", Result: "exit-code", Type: "notify",
		Invocation: "one", Since: uint64(began.UnixMicro()), Restarts: 3, RestartDelay: 7 * time.Second,
	}
	if got := waiting(starting, last); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
}

func TestAStartThatSomebodyAskedForIsNotHeldUp(t *testing.T) {
	t.Parallel()
	ended := time.Unix(1000, 0)
	last := bundle.LastRun{At: ended, Next: ended.Add(8 * time.Second)}
	for name, test := range map[string]struct {
		started, now time.Duration // after that end
		want         bool
	}{
		"systemd's own":         {1100 * time.Millisecond, 2 * time.Second, true},
		"sooner":                {100 * time.Millisecond, 2 * time.Second, false},
		"systemd's own, so far": {1100 * time.Millisecond, 9 * time.Second, false},
	} {
		state := units.State{Started: uint64(ended.Add(test.started).UnixMicro())}
		if got := isHeldUp(state, last, ended.Add(test.now)); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if !isHeldUp(units.State{}, last, ended) {
		t.Error("without the time of its start, it does not wait")
	}
}

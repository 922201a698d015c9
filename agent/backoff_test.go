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

package agent

import (
	"context"
	"os"
	"time"

	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// stateNow asks systemd for a unit, as [whileItWaits] has it.
func (n *Node) stateNow(ctx context.Context, unit string) (units.State, error) {
	state, err := n.Systemd.State(ctx, unit)
	return whileItWaits(unit, state, time.Now()), err
}

// whileItWaits is the state of a unit as systemd has it where it waits itself before it starts the unit again. From
// 252 to 253 the launcher waits, and to systemd that is a part of the start.
func whileItWaits(unit string, state units.State, now time.Time) units.State {
	if state.ActiveState != names.Activating || state.SubState != names.Start {
		return state
	}
	// The launcher removes the file when it goes on.
	if _, err := os.Lstat(bundle.BackOffFile(names.ID(unit))); err != nil {
		return state
	}
	run := lastRun(unit)
	if run == nil || !isHeldUp(state, *run, now) {
		return state
	}
	return waiting(state, *run)
}

// restartDelay is the RestartSec= of units whose launchers wait: they leave another one to systemd.
const restartDelay = time.Second

// isHeldUp reports whether the launcher is delaying this start because earlier runs failed. A start that began before
// systemd's own restart was due was requested by an operator or by davit, and is not delayed.
func isHeldUp(state units.State, run bundle.LastRun, now time.Time) bool {
	asked := state.Started != 0 && moment(state.Started).Before(run.At.Add(restartDelay))
	return !asked && !run.Next.Before(now)
}

// waiting is the state of a unit from the end of a run until the next one begins.
func waiting(state units.State, run bundle.LastRun) units.State {
	state.SubState, state.Result, state.Invocation = names.AutoRestart, run.Result, run.Invocation
	state.HasJob, state.Job, state.MainPID, state.StatusText = false, "", 0, ""
	state.RestartDelay = run.Next.Sub(moment(state.Since))
	return state
}

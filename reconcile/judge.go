package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// Run is what is known of how a unit runs, beyond its state. It is read of units that are judged.
type Run struct {
	// Invocation tells this start of the unit from all others.
	Invocation string
	// Begun is when systemd began to start it, Entered when it was up.
	Begun, Entered time.Time
	// Before is set when that start was made before the version that is judged began, EndedBefore when the run that
	// ended last was of another version.
	Before, EndedBefore bool
	// Queued is since when systemd has a job for it that nothing precedes, as far as is known, and has not come to
	// its start; zero where that is not so.
	Queued time.Time
	// ReloadFailed is set when its last reload failed.
	ReloadFailed bool
	// Restarts counts how often systemd restarted it by itself since davit or an operator started it.
	Restarts int
	// Ready is what its readiness probe says; nil where none is made.
	Ready *Readiness
	// Last is how it last ended; nil where it has not since the node booted.
	Last *bundle.LastRun
}

// Since leaves out how runs of another version ended: before this one began, or from another bundle. systemd may
// restart a unit by itself between the change of its file and the restart that davit asks for, and the run before
// may end in its own way while it is stopped for that. No time before this version began counts against it.
func (r *Run) Since(began time.Time, bundleDir string) {
	if !r.Begun.IsZero() && r.Begun.Before(began) {
		r.Begun, r.Before = began, true
	}
	last := r.Last
	isBefore := last != nil && (last.At.Before(began) || last.Bundle != "" && last.Bundle != bundleDir)
	// A run whose end could not be noted was another one than that.
	r.EndedBefore = isBefore && (last.Invocation == r.Invocation || r.Invocation == "")
	if last == nil || isBefore {
		r.Last, r.Restarts = nil, 0
	}
}

// dead reports whether the agent ended the last run: its liveness probe failed, or it wrote too much. A restart that it asks for
// is not one of those that systemd counts.
func (r Run) dead() bool {
	return r.Last != nil && r.Last.Failure.IsOfRun()
}

// Readiness is what the readiness probe of a unit that is up says.
type Readiness struct {
	Ready bool
	// Since is since when, Reason why it is not ready.
	Since  time.Time
	Reason string
}

// Progress is how far the change of an object has come.
type Progress string

// The steps of a change, in the order of how much is left to do.
const (
	// Broken is a version that does not work.
	Broken Progress = "failed"
	// Starting is one that is not ready yet.
	Starting Progress = "starting"
	// OnProbation is one that is ready, and not for long enough.
	OnProbation Progress = "on probation"
	// Confirmed is one that has been ready for long enough, or has completed.
	Confirmed Progress = "confirmed"
)

// Verdict is how far the change of an object has come.
type Verdict struct {
	Progress Progress
	// Unit is the unit that it depends on most, Reason what is with that unit, for people.
	Unit, Reason string
	// Until is when the verdict changes by itself: when the time to get ready is over, or the probation;
	// zero where only an event can change it.
	Until time.Time
	// Due is when the verdict of the first of the object's units changes by itself; zero for none.
	Due time.Time
	// Idle is set when systemd does nothing about the unit now.
	Idle bool
}

// Judge says of objects how far their changes have come: a version works once all of its units are up,
// from that version, and have been ready for as long as its update policy asks. It is broken once one
// of its units failed, was restarted after it failed, or did not get ready in time.
//
// Only what a version does itself counts against it. A process that was killed from outside, by a
// signal that it cannot have sent to itself, starts its probation again, [maxKills] times. So does one
// that was stopped: nothing is known of it.
func Judge(desired Desired, actual Actual, objects map[string]string, now time.Time) map[string]Verdict {
	verdicts := map[string]Verdict{}
	note := func(unit string, workload Workload) {
		verdict := judge(workload, actual.Workloads[unit], actual, now)
		verdict.Unit = unit
		object := workload.Ref.String()
		known, ok := verdicts[object]
		due := first(known.Due, verdict.Until)
		if ok && !verdict.before(known) {
			verdict = known
		}
		verdict.Due = due
		verdicts[object] = verdict
	}
	for _, unit := range sortedKeys(desired.Workloads) {
		if _, asked := objects[desired.Workloads[unit].Ref.String()]; asked {
			note(unit, desired.Workloads[unit])
		}
	}
	for _, unit := range sortedKeys(desired.Spares) {
		workload, current := desired.Spares[unit], actual.Workloads[unit]
		_, asked := objects[workload.Ref.String()]
		if asked && workload.Unit != nil && (current.running() || current.Active == names.Failed) { // it stands in now
			note(unit, workload)
		}
	}
	return verdicts
}

// first is the earlier of two times; zero stands for never.
func first(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// order is how much a step leaves to do.
var order = []Progress{Broken, Starting, OnProbation, Confirmed}

// before reports whether the object's verdict is this one rather than that of another unit.
func (v Verdict) before(other Verdict) bool {
	if c := cmp.Compare(slices.Index(order, v.Progress), slices.Index(order, other.Progress)); c != 0 {
		return c < 0
	}
	switch {
	case v.Progress == OnProbation:
		return v.Until.After(other.Until) // the last one ends it
	case other.Until.IsZero():
		return !v.Until.IsZero()
	default:
		return !v.Until.IsZero() && v.Until.Before(other.Until)
	}
}

// judge says how far one unit has come.
func judge(workload Workload, current ActualWorkload, actual Actual, now time.Time) Verdict {
	_, completed := actual.Completed[workload.BundleDir]
	switch {
	case completed && workload.TTL != nil && current.UnitText == "": // it has gone with its time
		return Verdict{Progress: Confirmed}
	case current.UnitText != workload.UnitText || current.NeedReload:
		return Verdict{Progress: Starting, Reason: "its unit is not written yet", Idle: true}
	case workload.Keep == KeepIdle, workload.Keep == KeepApart:
		return Verdict{Progress: Confirmed}
	case completed && (current.Active == names.Activating || current.Active == names.Deactivating):
		return Verdict{Progress: Starting, Reason: "it has completed, and its unit is ending"} // the record comes before the clean-up
	case completed:
		return Verdict{Progress: Confirmed}
	case current.isMasked() && current.down():
		// systemd runs no clean-up for a masked unit, so it is not known whether the unit was asked to stop.
		return Verdict{Progress: Starting, Reason: "it is masked", Idle: true}
	case workload.Unit == nil || workload.Unit.Role == units.RoleSandbox:
		return judgeGroup(current)
	case workload.Unit.Role == units.RoleOneshot || workload.Unit.Role == units.RoleJob:
		return judgeJob(workload, current)
	default:
		return judgeService(workload, current, actual, now)
	}
}

// judgeGroup judges a unit without a process.
func judgeGroup(current ActualWorkload) Verdict {
	switch current.Active {
	case names.Active:
		return Verdict{Progress: Confirmed}
	case names.Failed:
		return Verdict{Progress: Broken, Reason: "it failed (" + current.Result + ")"}
	default:
		return Verdict{Progress: Starting, Reason: "it is " + current.condition(), Idle: current.down()}
	}
}

// judgeJob judges a unit whose process is to complete. A job may be tried again as often as it says; any other
// that failed is broken, even where systemd tries it again.
func judgeJob(workload Workload, current ActualWorkload) Verdict {
	run := Run{}
	if current.Run != nil {
		run = *current.Run
	}
	switch {
	case current.Active == names.Active, current.Active == names.Inactive && current.Started && current.Job == "" && current.Result == "success":
		return Verdict{Progress: Confirmed}
	case current.Asked && current.Job == "":
		return Verdict{Progress: Starting, Reason: "it was stopped", Idle: true}
	case current.Active == names.Failed && current.Job == "":
		return Verdict{Progress: Broken, Reason: "it failed" + current.ending()}
	case workload.Unit.Role == units.RoleOneshot && (run.Restarts > 0 || current.Sub.Restarting() && !run.EndedBefore) && !current.killed(run):
		return Verdict{Progress: Broken, Reason: "it ended" + current.ending()}
	default:
		return Verdict{Progress: Starting, Reason: "it is " + current.condition(), Idle: current.down()}
	}
}

// judgeService judges a unit whose process is to run on.
func judgeService(workload Workload, current ActualWorkload, actual Actual, now time.Time) Verdict {
	run := Run{}
	if current.Run != nil {
		run = *current.Run
	}
	isUp := current.Active.Up()
	switch {
	case run.dead() && !isUp:
		return Verdict{Progress: Broken, Reason: run.Last.Failure.Error}
	case current.queued():
		return judgeQueued(workload, current, run, actual, now)
	case current.Active == names.Deactivating:
		return Verdict{Progress: Starting, Reason: "it is stopping"}
	case current.Active == names.Inactive && workload.Keep == KeepRunning:
		return Verdict{Progress: Starting, Reason: "it is " + current.condition(), Idle: true}
	case workload.Unit.Reload && run.ReloadFailed:
		return Verdict{Progress: Broken, Reason: "its reload failed"}
	case current.Asked && current.Job == "":
		return Verdict{Progress: Starting, Reason: "it was stopped", Idle: true}
	case run.Before && (current.Active == names.Failed || current.Sub.Restarting()), run.EndedBefore && current.Sub.Restarting():
		return Verdict{Progress: Starting, Reason: "it has not started yet", Idle: current.down()}
	case current.Active == names.Failed && !current.killed(run):
		return Verdict{Progress: Broken, Reason: "it failed" + current.ending()}
	case isUp:
		return judgeUp(workload, current, run, now)
	case current.Active == names.Inactive && current.Started && current.Result == "success":
		return Verdict{Progress: Confirmed}
	case run.Restarts > 0 && !current.killed(run), current.Sub.Restarting() && !current.killed(run):
		return Verdict{Progress: Broken, Reason: "it ended" + current.ending()}
	case current.Active == names.Activating && !current.Sub.Restarting():
		return judgeStart(workload, current, run, now)
	default:
		return Verdict{Progress: Starting, Reason: "it is " + current.condition(), Idle: current.down()}
	}
}

// queued reports whether systemd has a job for the unit and has not come to its start. One that waits for its
// next try is said to be activating.
func (w ActualWorkload) queued() bool {
	starting := w.Active == names.Activating && !w.Sub.Restarting()
	return w.Job != "" && w.Job != "reload" && !starting && w.Active != names.Reloading
}

// judgeQueued judges a unit whose start has not begun. Its deadline counts from when the start could have begun: what
// comes before is no fault of the version, and systemd bounds it.
func judgeQueued(workload Workload, current ActualWorkload, run Run, actual Actual, now time.Time) Verdict {
	if before := Precedes(workload, current, actual.Workloads); before != "" {
		return Verdict{Progress: Starting, Reason: before}
	}
	deadline := workload.Update.Deadline
	if deadline == 0 || run.Queued.IsZero() {
		return Verdict{Progress: Starting, Reason: "its start is queued"}
	}
	until := run.Queued.Add(deadline)
	if until.After(now) {
		return Verdict{Progress: Starting, Reason: "its start is queued", Until: until}
	}
	return Verdict{Progress: Broken, Reason: fmt.Sprintf("not ready within %s: its start is still queued", deadline)}
}

// judgeStart judges a unit that systemd is starting.
func judgeStart(workload Workload, current ActualWorkload, run Run, now time.Time) Verdict {
	if current.RunningDir != "" && current.RunningDir != workload.BundleDir {
		return Verdict{Progress: Starting, Reason: "it is starting in its previous version"}
	}
	deadline := workload.Update.Deadline
	if deadline == 0 || run.Begun.IsZero() {
		return Verdict{Progress: Starting, Reason: "it is starting"}
	}
	until := run.Begun.Add(deadline)
	if until.After(now) {
		return Verdict{Progress: Starting, Reason: "it is starting", Until: until}
	}
	return Verdict{Progress: Broken, Reason: fmt.Sprintf("not ready within %s", deadline)}
}

// judgeUp judges a unit that is up.
func judgeUp(workload Workload, current ActualWorkload, run Run, now time.Time) Verdict {
	if current.Job != "" || current.Active == names.Reloading {
		return judgeReload(workload, current, run, now)
	}
	if current.RunningDir != "" && current.RunningDir != workload.BundleDir {
		return Verdict{Progress: Starting, Reason: "it runs its previous version", Idle: true}
	}
	since := run.Entered
	if run.Ready != nil && !run.Ready.Ready {
		return judgeUnready(workload, run, now)
	}
	if run.Ready != nil && run.Ready.Since.After(since) {
		since = run.Ready.Since
	}
	until := since.Add(workload.Update.Soak)
	switch {
	case !until.After(now):
		return Verdict{Progress: Confirmed}
	case run.dead():
		return Verdict{Progress: Broken, Reason: run.Last.Failure.Error}
	case run.Restarts > 0 && !current.killed(run):
		return Verdict{Progress: Broken, Reason: "it ended soon after its start" + current.ending()}
	default:
		return Verdict{Progress: OnProbation, Reason: "it is ready, but not yet for " + workload.Update.Soak.String(), Until: until}
	}
}

// judgeReload judges a unit that reloads. systemd bounds a reload that it was asked for, and none that a container says itself
// it has begun (RELOADING=1 of sd_notify(3)).
func judgeReload(workload Workload, current ActualWorkload, run Run, now time.Time) Verdict {
	deadline := workload.Update.Deadline
	if current.Job != "" || deadline == 0 || run.Entered.IsZero() {
		return Verdict{Progress: Starting, Reason: "it is reloading"}
	}
	until := run.Entered.Add(deadline)
	if until.After(now) {
		return Verdict{Progress: Starting, Reason: "it is reloading", Until: until}
	}
	return Verdict{Progress: Broken, Reason: fmt.Sprintf("it has been reloading for %s: it reported RELOADING=1, and no READY=1 since", deadline)}
}

// judgeUnready judges a unit that was ready and is so no longer.
func judgeUnready(workload Workload, run Run, now time.Time) Verdict {
	limit := workload.Update.Deadline + workload.Update.Soak
	until := run.Begun.Add(limit)
	if workload.Update.Deadline == 0 || until.After(now) {
		return Verdict{Progress: Starting, Reason: "it is not ready: " + run.Ready.Reason, Until: until}
	}
	return Verdict{Progress: Broken, Reason: fmt.Sprintf("not ready for %s within %s: %s", workload.Update.Soak, limit, run.Ready.Reason)}
}

// maxKills is how often a process may be killed from outside on probation before that counts against
// its version: something on the node kills it each time.
const maxKills = 3

// killed reports whether the unit ended because something else killed its process: by SIGKILL or a
// signal that asks to end, which the kernel keeps from the first process of a PID namespace unless they
// come from outside (pid_namespaces(7)). It is not so where davit itself ended it, for its liveness, or
// the kernel, for its memory.
func (w ActualWorkload) killed(run Run) bool {
	last := run.Last
	if last == nil || last.Failure != nil || last.Result != "signal" || run.Restarts > maxKills {
		return false
	}
	return slices.Contains([]string{"KILL", "TERM", "INT", "HUP", "QUIT"}, last.Exit)
}

// ending says how the unit last ended, for people: " (exit-code 3)".
func (w ActualWorkload) ending() string {
	switch {
	case w.Run != nil && w.Run.Last != nil && w.Run.Last.Result != "success":
		return " (" + w.Run.Last.String() + ")"
	case w.Result != "" && w.Result != "success":
		return " (" + w.Result + ")"
	case w.Run != nil && w.Run.Last != nil:
		return " (with success: a Container is expected to keep running)"
	default:
		return ""
	}
}

package history

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/names"
)

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
	// Unit is the unit that the verdict depends on most, Reason its state, for people.
	Unit, Reason string
	// Until is when the verdict changes by itself: when the time to get ready is over, or the probation;
	// zero where only an event can change it.
	Until time.Time
	// Due is when the verdict of the first of the object's units changes by itself; zero for none.
	Due time.Time
	// Idle is set when systemd does nothing about the unit now.
	Idle bool
}

// Judge returns the progress of the changes of objects: a version works after all of its units are up, from that version, and
// have been ready for as long as its update policy asks. It is broken if one of its units failed, was restarted after it failed,
// or did not get ready in time.
//
// Only events that a version itself causes count against it. A process that was killed from outside, by a signal that it cannot
// have sent to itself, starts its probation again, up to three times (the constant maxKills of package reconcile). So does one
// that was stopped.
func Judge(desired reconcile.Desired, actual reconcile.Actual, objects map[string]string, now time.Time) map[string]Verdict {
	verdicts := map[string]Verdict{}
	note := func(unit string, workload reconcile.Workload) {
		verdict := JudgeUnit(workload, actual.Workloads[unit], actual, now)
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
	for _, unit := range slices.Sorted(maps.Keys(desired.Workloads)) {
		if _, asked := objects[desired.Workloads[unit].Ref.String()]; asked {
			note(unit, desired.Workloads[unit])
		}
	}
	for _, unit := range slices.Sorted(maps.Keys(desired.Spares)) {
		workload, current := desired.Spares[unit], actual.Workloads[unit]
		_, asked := objects[workload.Ref.String()]
		if asked && workload.Unit != nil && (current.IsRunning() || current.Active == names.Failed) { // it stands in now
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

// JudgeUnit says how far one unit has come.
func JudgeUnit(workload reconcile.Workload, current reconcile.ActualWorkload, actual reconcile.Actual, now time.Time) Verdict {
	_, completed := actual.Completed[workload.BundleDir]
	switch {
	case completed && workload.TTL != nil && current.UnitText == "": // it has gone with its time
		return Verdict{Progress: Confirmed}
	case current.UnitText != workload.UnitText || current.NeedReload:
		return Verdict{Progress: Starting, Reason: "its unit is not written yet", Idle: true}
	case workload.Keep == reconcile.KeepIdle, workload.Keep == reconcile.KeepApart:
		return Verdict{Progress: Confirmed}
	case completed && (current.Active == names.Activating || current.Active == names.Deactivating):
		return Verdict{Progress: Starting, Reason: "it has completed, and its unit is ending"} // the record comes before the clean-up
	case completed:
		return Verdict{Progress: Confirmed}
	case current.IsMasked() && current.IsDown():
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
func judgeGroup(current reconcile.ActualWorkload) Verdict {
	switch current.Active {
	case names.Active:
		return Verdict{Progress: Confirmed}
	case names.Failed:
		return Verdict{Progress: Broken, Reason: "it failed (" + current.Result + ")"}
	default:
		return Verdict{Progress: Starting, Reason: "it is " + current.Condition(), Idle: current.IsDown()}
	}
}

// judgeJob judges a unit whose process is to complete. A job may be tried again as often as it says; any other
// that failed is broken, even where systemd tries it again.
func judgeJob(workload reconcile.Workload, current reconcile.ActualWorkload) Verdict {
	run := reconcile.Run{}
	if current.Run != nil {
		run = *current.Run
	}
	switch {
	case current.Active == names.Active, current.Active == names.Inactive && current.Started && current.Job == "" && current.Result == "success":
		return Verdict{Progress: Confirmed}
	case current.Asked && current.Job == "":
		return Verdict{Progress: Starting, Reason: "it was stopped", Idle: true}
	case current.Active == names.Failed && current.Job == "":
		return Verdict{Progress: Broken, Reason: "it failed" + current.Ending()}
	case workload.Unit.Role == units.RoleOneshot && (run.Restarts > 0 || current.Sub.Restarting() && !run.EndedBefore) && !current.WasKilled(run):
		return Verdict{Progress: Broken, Reason: "it ended" + current.Ending()}
	default:
		return Verdict{Progress: Starting, Reason: "it is " + current.Condition(), Idle: current.IsDown()}
	}
}

// judgeService judges a unit whose process is to run on.
func judgeService(workload reconcile.Workload, current reconcile.ActualWorkload, actual reconcile.Actual, now time.Time) Verdict {
	run := reconcile.Run{}
	if current.Run != nil {
		run = *current.Run
	}
	isUp := current.Active.Up()
	switch {
	case run.Dead() && !isUp:
		return Verdict{Progress: Broken, Reason: run.Last.Failure.Error}
	case current.IsQueued():
		return judgeQueued(workload, current, run, actual, now)
	case current.Active == names.Deactivating:
		return Verdict{Progress: Starting, Reason: "it is stopping"}
	case current.Active == names.Inactive && workload.Keep == reconcile.KeepRunning:
		return Verdict{Progress: Starting, Reason: "it is " + current.Condition(), Idle: true}
	case workload.Unit.Reload && run.ReloadFailed:
		return Verdict{Progress: Broken, Reason: "its reload failed"}
	case current.Asked && current.Job == "":
		return Verdict{Progress: Starting, Reason: "it was stopped", Idle: true}
	case run.Before && (current.Active == names.Failed || current.Sub.Restarting()), run.EndedBefore && current.Sub.Restarting():
		return Verdict{Progress: Starting, Reason: "it has not started yet", Idle: current.IsDown()}
	case current.Active == names.Failed && !current.WasKilled(run):
		return Verdict{Progress: Broken, Reason: "it failed" + current.Ending()}
	case isUp:
		return judgeUp(workload, current, run, now)
	case current.Active == names.Inactive && current.Started && current.Result == "success":
		return Verdict{Progress: Confirmed}
	case run.Restarts > 0 && !current.WasKilled(run), current.Sub.Restarting() && !current.WasKilled(run):
		return Verdict{Progress: Broken, Reason: "it ended" + current.Ending()}
	case current.Active == names.Activating && !current.Sub.Restarting():
		return judgeStart(workload, current, run, now)
	default:
		return Verdict{Progress: Starting, Reason: "it is " + current.Condition(), Idle: current.IsDown()}
	}
}

// judgeQueued judges a unit whose start has not begun. Its deadline counts from the time when the start could have begun: delays
// before that are no fault of the version, and systemd bounds them.
func judgeQueued(workload reconcile.Workload, current reconcile.ActualWorkload, run reconcile.Run, actual reconcile.Actual, now time.Time) Verdict {
	if before := reconcile.Precedes(workload, current, actual.Workloads); before != "" {
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
func judgeStart(workload reconcile.Workload, current reconcile.ActualWorkload, run reconcile.Run, now time.Time) Verdict {
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
func judgeUp(workload reconcile.Workload, current reconcile.ActualWorkload, run reconcile.Run, now time.Time) Verdict {
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
	case run.Dead():
		return Verdict{Progress: Broken, Reason: run.Last.Failure.Error}
	case run.Restarts > 0 && !current.WasKilled(run):
		return Verdict{Progress: Broken, Reason: "it ended soon after its start" + current.Ending()}
	default:
		return Verdict{Progress: OnProbation, Reason: "it is ready, but not yet for " + workload.Update.Soak.String(), Until: until}
	}
}

// judgeReload judges a unit that reloads. systemd bounds a reload that it was asked for, and none that a container says itself
// it has begun (RELOADING=1 of sd_notify(3)).
func judgeReload(workload reconcile.Workload, current reconcile.ActualWorkload, run reconcile.Run, now time.Time) Verdict {
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
func judgeUnready(workload reconcile.Workload, run reconcile.Run, now time.Time) Verdict {
	limit := workload.Update.Deadline + workload.Update.Soak
	until := run.Begun.Add(limit)
	if workload.Update.Deadline == 0 || until.After(now) {
		return Verdict{Progress: Starting, Reason: "it is not ready: " + run.Ready.Reason, Until: until}
	}
	return Verdict{Progress: Broken, Reason: fmt.Sprintf("not ready for %s within %s: %s", workload.Update.Soak, limit, run.Ready.Reason)}
}

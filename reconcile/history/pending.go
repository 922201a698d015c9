package history

import (
	"maps"
	"slices"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/names"
)

// Owe records the units that a plan stops, or whose files it writes in order to start them. A unit that is removed may be desired
// again before it has stopped. Units that are gone are forgotten.
func (g *Generation) Owe(plan reconcile.Plan, desired reconcile.Desired, actual reconcile.Actual, now time.Time) {
	owed, since := map[string]string{}, map[string]time.Time{}
	for unit, image := range g.Owed {
		_, wanted := desired.Workloads[unit]
		if _, exists := actual.Workloads[unit]; wanted || exists {
			owed[unit] = image
			if at, known := g.OwedAt[unit]; known {
				since[unit] = at
			}
		}
	}
	g.Foreseen = map[string]bool{}
	note := func(unit, image string, begins bool) {
		if _, known := owed[unit]; !known {
			g.Foreseen[unit] = begins
		}
		if _, known := since[unit]; !known || actual.Workloads[unit].IsRunning() {
			since[unit] = now
		}
		if owed[unit] == "" {
			owed[unit] = image
		}
	}
	for unit, image := range owes(plan, desired, actual) {
		note(unit, image, true)
	}
	for unit := range plan.Written() {
		if _, exists := actual.Workloads[unit]; !exists {
			note(unit, "", false) // it is to be enabled
		}
	}
	g.noteRunning(owed, plan, desired, actual)
	if g.Owed, g.OwedAt = owed, since; len(owed) == 0 {
		g.Owed, g.OwedAt = nil, nil
	}
}

// noteRunning notes which of the units whose files a plan writes run until it restarts them.
func (g *Generation) noteRunning(owed map[string]string, plan reconcile.Plan, desired reconcile.Desired, actual reconcile.Actual) {
	running, begun, written := map[string]string{}, plan.Begun(), plan.Written()
	for unit := range owed {
		workload, object := desired.Workloads[unit], g.RunsOn[unit]
		_, wasOwed := g.Owed[unit]
		switch {
		case written[unit] && object != "" && !begun[unit]:
			delete(owed, unit) // the process is of the version in the file then
		case object != "":
			running[unit] = object
		case written[unit] && begun[unit] && !wasOwed && workload.Keep == reconcile.KeepRunning && actual.Workloads[unit].IsRunning():
			running[unit] = workload.Ref.String()
		}
	}
	if g.RunsOn = running; len(running) == 0 {
		g.RunsOn = nil
	}
}

// Forgo forgets the units that a plan was to stop or to write and has not reached: changes of them until it does are not davit's.
func (g *Generation) Forgo() {
	for unit := range g.Foreseen {
		g.acquit(unit)
	}
	g.Foreseen = nil
	if len(g.Owed) == 0 {
		g.Owed = nil
	}
}

// owes are the units that a plan stops, and those whose files it writes in order to start them, and the
// images that are deleted before; "" for none. Before one has stopped that becomes another object's, the manifests may
// want it again as it was.
func owes(plan reconcile.Plan, desired reconcile.Desired, actual reconcile.Actual) map[string]string {
	begun, owed := plan.Begun(), map[string]string{}
	for _, action := range plan.Actions {
		workload, wanted := desired.Workloads[action.Target]
		switch b := actual.Workloads[action.Target].Bundle; {
		case action.Verb == reconcile.Stop && wanted && workload.Update.DeleteFirst && b != nil:
			owed[action.Target] = b.Image.ID
		case action.Verb == reconcile.Stop, action.Verb == reconcile.WriteUnit && wanted && begun[action.Target] && owed[action.Target] == "":
			owed[action.Target] = ""
		}
	}
	return owed
}

// begun forgets that a unit is to be started, once it is, and that nothing of a version is in place, once
// something is.
func (g *Generation) begun(action reconcile.Action) {
	if action.Verb.Phase() == reconcile.Switching {
		delete(g.Pending, action.Object)
	}
	if action.Verb == reconcile.Stop {
		delete(g.Foreseen, action.Target)
		delete(g.RunsOn, action.Target)
	}
	if action.Verb.Begins() {
		g.acquit(action.Target)
	}
}

// owe has a unit started.
func (g *Generation) owe(unit string) {
	if _, owed := g.Owed[unit]; owed {
		return
	}
	if g.Owed == nil {
		g.Owed = map[string]string{}
	}
	g.Owed[unit] = ""
}

// acquit forgets that a unit is to be started.
func (g *Generation) acquit(unit string) {
	delete(g.Owed, unit)
	delete(g.RunsOn, unit)
}

// Arrived forgets that units are to be started that are up as they are wanted, or are starting so.
func (g *Generation) Arrived(desired reconcile.Desired, actual reconcile.Actual) {
	for unit := range g.Owed {
		workload, current := desired.Workloads[unit], actual.Workloads[unit]
		if _, runsOn := g.RunsOn[unit]; runsOn {
			g.ranOn(unit, workload, current)
			continue
		}
		starting := current.Job == "start" && current.Active == names.Activating && !current.IsQueued() && current.IsArriving(workload, true)
		if _, exists := actual.Workloads[unit]; exists && (starting || current.IsSettled(workload) || g.cameAndWent(unit, current)) {
			g.acquit(unit)
		}
	}
}

// ranOn forgets that a unit is to be restarted that has been started since its file was written. So it does of one that
// another than davit has stopped: that is a stop like any other.
func (g *Generation) ranOn(unit string, workload reconcile.Workload, current reconcile.ActualWorkload) {
	begun, restarts := current.Begun, current.Restarts
	if run := current.Run; run != nil {
		begun, restarts = run.Begun, max(restarts, run.Restarts)
	}
	written := g.OwedAt[unit]
	if restarts > 0 { // systemd may have started it again before it read the file
		written = written.Add(reconcile.BoundGap)
	}
	isNew := begun.After(written) && !current.Sub.Restarting() // that is no start yet
	isStopped := current.Job == "stop" || current.Active == names.Inactive || current.WasStopped(workload)
	if isNew || isStopped {
		g.acquit(unit)
	}
}

// cameAndWent reports whether a unit has been started since davit came to owe its start, by a boot or an operator, and is
// down again: that was another stop. One that systemd started again while davit began to stop it is none.
func (g *Generation) cameAndWent(unit string, current reconcile.ActualWorkload) bool {
	since, known := g.OwedAt[unit]
	return known && current.Started && current.IsDown() && current.Begun.After(since.Add(reconcile.BoundGap))
}

// Excuses reports whether a verdict says nothing of an object's version: davit has stopped the unit, or is to start it
// again, and how the run before ended does not count, or a unit runs on with the file before.
func (g Generation) Excuses(object string, verdict Verdict) bool {
	switch verdict.Progress {
	case Broken:
		_, owed := g.Owed[verdict.Unit]
		return owed
	case Confirmed:
		return slices.Contains(slices.Collect(maps.Values(g.RunsOn)), object)
	default:
		return false
	}
}

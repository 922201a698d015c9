package reconcile

import (
	"slices"
	"time"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/names"
)

// heldByOperator is what the node's operator did to a unit that davit does not undo: to the unit itself, or to
// one that the unit is a part of. Its By is empty if there is nothing.
func (d *differ) heldByOperator(unit string) Held {
	if held, known := d.operator[unit]; known {
		return held
	}
	if d.operator == nil {
		d.operator = map[string]Held{}
	}
	d.operator[unit] = Held{} // the units may require each other in a circle
	held := d.operatorHold(unit)
	if held.By != "" {
		held.Object, held.Intended = d.desired.Workloads[unit].Ref.String(), true
	}
	d.operator[unit] = held
	return held
}

func (d *differ) operatorHold(unit string) Held {
	workload := d.desired.Workloads[unit]
	current, exists := d.actual.Workloads[unit]
	switch {
	case current.isMasked():
		return Held{Reason: "unit is masked: systemctl unmask " + unit + " to let it run", By: ByMask}
	case exists && current.isAnothers(workload): // what was done to the one object says nothing of the other
		return Held{}
	case current.Active.Up() || current.Job != "":
		return Held{}
	}
	if whole := d.heldWhole(unit, workload); whole.By != "" {
		return whole
	}
	switch {
	case workload.Keep != KeepRunning && workload.Keep != KeepStarted, d.halfWritten(unit, workload, current):
		return Held{}
	case d.isOwed(unit, workload) && current.Started && !d.isDisabledSince(unit, current):
		return Held{}
	case current.Enabled == "disabled" && d.wouldStart(workload, current):
		return Held{Reason: "unit is disabled: systemctl enable --now " + unit + " to let it run", By: ByDisable}
	case current.Started && current.stopped(workload) && !d.renews(workload, current) && !d.stoppedAlong(unit):
		return Held{Reason: "stopped by an operator: systemctl start " + unit + " to let it run", By: ByStop}
	default:
		return Held{}
	}
}

func (w ActualWorkload) isMasked() bool {
	return w.Enabled == "masked" || w.Enabled == "masked-runtime"
}

// wouldStart reports whether davit would start a unit that is down if it were enabled.
func (d *differ) wouldStart(workload Workload, current ActualWorkload) bool {
	if workload.Keep == KeepRunning {
		return current.stopped(workload)
	}
	return current.down() && !d.completed(workload) && (!current.Started || d.renews(workload, current))
}

// heldWhole is what the operator did to a unit of the same object that this one is a part of, as a container is of
// its pod, and a replica of the target: systemd stops the parts with the whole, and would start the whole with a
// part that is bound to it.
func (d *differ) heldWhole(unit string, workload Workload) Held {
	for _, whole := range workload.Needs() {
		state, exists := d.actual.Workloads[whole]
		if exists && state.down() && d.desired.Workloads[whole].Ref == workload.Ref && !d.ranWithout(unit, state) {
			if held := d.heldByOperator(whole); held.By != "" {
				return held
			}
		}
	}
	return Held{}
}

// ranWithout reports whether a unit ran while the whole was down, until davit itself stopped it: the operator had let it run.
func (d *differ) ranWithout(unit string, whole ActualWorkload) bool {
	at, owed := d.options.OwedAt[unit]
	return owed && whole.Since.Before(at) && !d.actual.Workloads[unit].Since.Before(at)
}

// renews reports whether a change of its manifest has a unit run again that may end by itself. A unit file that was edited
// on the node is no such change.
func (d *differ) renews(workload Workload, current ActualWorkload) bool {
	_, _, isUnedited := units.Unsigned(current.UnitText)
	return workload.Keep == KeepStarted && units.NeedsRestart(current.UnitText, workload.UnitText) &&
		(isUnedited || current.BundleDir != workload.BundleDir)
}

// halfWritten reports whether a pass ended after it wrote a unit and before it enabled it: that is not
// a person's disabling it.
func (d *differ) halfWritten(unit string, workload Workload, current ActualWorkload) bool {
	return d.isOwed(unit, workload) && current.Enabled == "disabled" && !current.Started
}

// isDisabledSince reports whether a unit was disabled after davit wrote its file: it was down then, and davit starts no unit
// that is down and disabled. One that went down afterwards was stopped by davit, and may have run on disabled.
func (d *differ) isDisabledSince(unit string, current ActualWorkload) bool {
	at, known := d.options.OwedAt[unit]
	return known && current.Enabled == "disabled" && current.Since.Before(at)
}

// stopped reports whether a unit is down because it was asked to stop. Nothing else stops what has no
// process, or stays active after its process ended; of a container that systemd always starts again (Restart= of
// systemd.service(5)) the process may then have ended in any way. Of any other the launcher notes it.
func (w ActualWorkload) stopped(workload Workload) bool {
	if !w.down() {
		return false
	}
	always := units.RestartsAlways(w.UnitText)
	ended := slices.Contains([]string{"exit-code", "signal", "core-dump", "timeout"}, w.Result)
	switch {
	case w.Active == names.Failed && (w.Asked || always):
		return ended
	case w.Active == names.Failed:
		return false
	case workload.Unit == nil:
		return true
	case workload.Unit.Role == units.RoleContainer:
		return always && workload.Keep == KeepRunning
	default:
		return workload.Unit.Role != units.RoleJob && workload.Unit.Role != units.RoleTask
	}
}

// Bounds of the time between the stops of two units of which one cannot be without the other. systemd stops the
// dependent first and the other one at once after it; where the other one ends by itself, it stops the dependent as
// soon as it comes to that.
const (
	stopGap  = 50 * time.Millisecond
	boundGap = time.Second
)

// stoppedAlong reports whether a unit stopped because one did that it cannot be without, and that the operator does
// not hold. systemd does not say who asked for a stop; but the two then stopped together. A unit that was stopped
// before, or after the other one was up again, was stopped for itself.
func (d *differ) stoppedAlong(unit string) bool {
	current := d.actual.Workloads[unit]
	return slices.ContainsFunc(d.desired.Workloads[unit].Needs(), func(name string) bool {
		other, exists := d.actual.Workloads[name]
		if !exists {
			return d.actual.Foreign[name] == "" // what was never davit's has stopped nothing
		}
		if other.Active == names.Active && !other.Since.IsZero() && other.Since.Before(current.stopBegan()) {
			return false // it has been up since before
		}
		if other.Restarts > 1 { // only its last end is known, and one before may have stopped this unit
			return true
		}
		began := current.stopBegan().Add(-boundGap)
		if began.Before(current.Begun) { // what stopped before a unit was started did not stop it
			began = current.Begun
		}
		return !other.Left.IsZero() && !other.Left.Before(began) && !other.Left.After(d.stopEnded(name, current).Add(stopGap))
	})
}

// isStopping reports whether a unit, or one that it cannot be without, has been asked to stop by another than davit
// and has not stopped yet: what stops together is seen while a part of it has stopped.
func (d *differ) isStopping(unit string, workload Workload) bool {
	return slices.ContainsFunc(append(workload.Needs(), unit), func(name string) bool {
		return d.actual.Workloads[name].Job == "stop" && !d.isOwed(name, d.desired.Workloads[name])
	})
}

// stopBegan is when the last stop of a unit that is down began: when it was no longer active, or if it never was
// then, at the earliest when its start began.
func (w ActualWorkload) stopBegan() time.Time {
	if w.Left.After(w.Begun) {
		return w.Left
	}
	return w.Begun
}

// lastStop is when the last stop of a unit began and ended, whether it runs again or not; zero where it has not stopped.
func (w ActualWorkload) lastStop() (began, ended time.Time) {
	switch {
	case w.down():
		return w.stopBegan(), w.Since
	case w.Ended.Before(w.Left): // it is still stopping
		return w.Left, time.Time{}
	default:
		return w.Left, w.Ended
	}
}

// stopEnded is when the last of the units had stopped that stopped with this one and cannot be without the unit of
// the name: systemd stops that one after all of them.
func (d *differ) stopEnded(name string, current ActualWorkload) time.Time {
	ended := current.Since
	for again := true; again; {
		again = false
		for _, unit := range d.dependentsOf(name) {
			other := d.actual.Workloads[unit]
			if began, end := other.lastStop(); !began.After(ended.Add(stopGap)) && end.After(ended) {
				ended, again = end, true
			}
		}
	}
	return ended
}

// dependentsOf are the units that cannot be without the one of the name.
func (d *differ) dependentsOf(name string) []string {
	if d.dependents == nil {
		d.dependents = map[string][]string{}
		for unit, workload := range d.desired.Workloads {
			for _, needed := range workload.Needs() {
				d.dependents[needed] = append(d.dependents[needed], unit)
			}
		}
	}
	return d.dependents[name]
}

// suspended reports whether nothing of the object changes for now, and keeps what is there.
func (d *differ) suspended(ref v1.Ref, unit string) bool {
	reason, ok := d.options.Suspended[ref.String()]
	if !ok {
		return false
	}
	if current, exists := d.actual.Workloads[unit]; exists {
		d.kept[unit] = current
	}
	d.plan.hold(Held{Object: ref.String(), Reason: reason, By: BySuspension, Intended: true})
	return true
}

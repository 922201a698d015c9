package diff

import (
	"slices"
	"time"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/names"
)

// heldByOperator returns the operator's change of a unit that davit does not undo: of the unit itself, or of one that the unit is
// a part of. Its By is empty for none.
func (d *differ) heldByOperator(unit string) reconcile.Held {
	if held, known := d.operator[unit]; known {
		return held
	}
	if d.operator == nil {
		d.operator = map[string]reconcile.Held{}
	}
	d.operator[unit] = reconcile.Held{} // the units may require each other in a circle
	held := d.operatorHold(unit)
	if held.By != "" {
		held.Object, held.Intended = d.desired.Workloads[unit].Ref.String(), true
	}
	d.operator[unit] = held
	return held
}

func (d *differ) operatorHold(unit string) reconcile.Held {
	workload := d.desired.Workloads[unit]
	current, exists := d.actual.Workloads[unit]
	switch {
	case current.IsMasked():
		return reconcile.Held{Reason: "unit is masked: systemctl unmask " + unit + " to let it run", By: reconcile.ByMask}
	case exists && current.IsOfAnother(workload): // a change of the one object does not apply to the other
		return reconcile.Held{}
	case current.Active.Up() || current.Job != "":
		return reconcile.Held{}
	}
	if whole := d.heldWhole(unit, workload); whole.By != "" {
		return whole
	}
	switch {
	case workload.Keep != reconcile.KeepRunning && workload.Keep != reconcile.KeepStarted, d.halfWritten(unit, workload, current):
		return reconcile.Held{}
	case d.isOwed(unit, workload) && current.Started && !d.isDisabledSince(unit, current):
		return reconcile.Held{}
	case current.Enabled == "disabled" && d.wouldStart(workload, current):
		return reconcile.Held{Reason: "unit is disabled: systemctl enable --now " + unit + " to let it run", By: reconcile.ByDisable}
	case current.Started && current.WasStopped(workload) && !d.renews(workload, current) && !d.stoppedAlong(unit):
		return reconcile.Held{Reason: "stopped by an operator: systemctl start " + unit + " to let it run", By: reconcile.ByStop}
	default:
		return reconcile.Held{}
	}
}

// wouldStart reports whether davit would start a unit that is down if it were enabled.
func (d *differ) wouldStart(workload reconcile.Workload, current reconcile.ActualWorkload) bool {
	if workload.Keep == reconcile.KeepRunning {
		return current.WasStopped(workload)
	}
	return current.IsDown() && !d.completed(workload) && (!current.Started || d.renews(workload, current))
}

// heldWhole returns the operator's change of a unit of the same object that this one is a part of, as a container is of its pod,
// and a replica of the target: systemd stops the parts with the whole, and would start the whole with a part that is bound to it.
func (d *differ) heldWhole(unit string, workload reconcile.Workload) reconcile.Held {
	for _, whole := range workload.Needs() {
		state, exists := d.actual.Workloads[whole]
		if exists && state.IsDown() && d.desired.Workloads[whole].Ref == workload.Ref && !d.ranWithout(unit, state) {
			if held := d.heldByOperator(whole); held.By != "" {
				return held
			}
		}
	}
	return reconcile.Held{}
}

// ranWithout reports whether a unit ran while the whole was down, until davit itself stopped it: the operator had let it run.
func (d *differ) ranWithout(unit string, whole reconcile.ActualWorkload) bool {
	at, owed := d.options.OwedAt[unit]
	current := d.actual.Workloads[unit]
	ran := current.Since
	if current.Left.After(current.Begun) { // its stop may take a while
		ran = current.Left
	}
	return owed && whole.Since.Before(at) && !ran.Before(at)
}

// renews reports whether a change of its manifest has a unit run again that may end by itself. A unit file that was edited
// on the node is no such change.
func (d *differ) renews(workload reconcile.Workload, current reconcile.ActualWorkload) bool {
	_, _, isUnedited := units.Unsigned(current.UnitText)
	return workload.Keep == reconcile.KeepStarted && units.NeedsRestart(current.UnitText, workload.UnitText) &&
		(isUnedited || current.BundleDir != workload.BundleDir)
}

// halfWritten reports whether a pass ended after it wrote a unit and before it enabled it: that is not
// a person's disabling it.
func (d *differ) halfWritten(unit string, workload reconcile.Workload, current reconcile.ActualWorkload) bool {
	return d.isOwed(unit, workload) && current.Enabled == "disabled" && !current.Started
}

// isDisabledSince reports whether a unit was disabled after davit wrote its file: it was down then, and davit starts no unit
// that is down and disabled. One that went down afterwards was stopped by davit, and may have run on disabled.
func (d *differ) isDisabledSince(unit string, current reconcile.ActualWorkload) bool {
	at, known := d.options.OwedAt[unit]
	return known && current.Enabled == "disabled" && current.Since.Before(at)
}

// stopGap bounds the time between the stops of two units of which one requires the other: systemd stops the dependent
// first and the other one at once after it.
const stopGap = 50 * time.Millisecond

// stoppedAlong reports whether a unit stopped because a unit did that it requires, and that the operator does not hold. systemd
// does not record who asked for a stop, but the two then stopped together. A unit that was stopped before, or after the other one
// was up again, was stopped by itself.
func (d *differ) stoppedAlong(unit string) bool {
	current := d.actual.Workloads[unit]
	return slices.ContainsFunc(d.desired.Workloads[unit].Needs(), func(name string) bool {
		other, exists := d.actual.Workloads[name]
		if !exists {
			return d.actual.Foreign[name] == "" // a unit that davit never managed has stopped nothing
		}
		if other.Active == names.Active && !other.Since.IsZero() && other.Since.Before(current.StopBegan()) {
			return false // it has been up since before
		}
		if other.Restarts > 1 { // only its last end is known, and one before may have stopped this unit
			return true
		}
		began := current.StopBegan().Add(-reconcile.BoundGap)
		if began.Before(current.Begun) { // a stop before the start of a unit did not stop it
			began = current.Begun
		}
		return !other.Left.IsZero() && !other.Left.Before(began) && !other.Left.After(d.stopEnded(name, current).Add(stopGap))
	})
}

// isStopping reports whether another program than davit has asked for the stop of a unit, or of one that it requires, and the
// stop has not ended: while units stop together, some have stopped before others.
func (d *differ) isStopping(unit string, workload reconcile.Workload) bool {
	return slices.ContainsFunc(append(workload.Needs(), unit), func(name string) bool {
		return d.actual.Workloads[name].Job == "stop" && !d.isOwed(name, d.desired.Workloads[name])
	})
}

// stopEnded is when the last of the units had stopped that stopped with this one and cannot be without the unit of
// the name: systemd stops that one after all of them.
func (d *differ) stopEnded(name string, current reconcile.ActualWorkload) time.Time {
	ended := current.Since
	for again := true; again; {
		again = false
		for _, unit := range d.dependentsOf(name) {
			other := d.actual.Workloads[unit]
			if began, end := other.LastStop(); !began.After(ended.Add(stopGap)) && end.After(ended) {
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

// suspended reports whether changes of the object are suspended, and preserves its actual state.
func (d *differ) suspended(ref v1.Ref, unit string) bool {
	reason, ok := d.options.Suspended[ref.String()]
	if !ok {
		return false
	}
	if current, exists := d.actual.Workloads[unit]; exists {
		d.kept[unit] = current
	}
	d.plan.Hold(reconcile.Held{Object: ref.String(), Reason: reason, By: reconcile.BySuspension, Intended: true})
	return true
}

// HeldByOperator returns the operator's change of a unit that davit does not undo; its By is empty for none.
func HeldByOperator(desired reconcile.Desired, actual reconcile.Actual, options Options, unit string) reconcile.Held {
	d := &differ{desired: desired, actual: actual, options: options}
	return d.heldByOperator(unit)
}

package reconcile

import (
	"slices"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/units"
)

// byHand says what the node's operator did to a unit that is not to be undone; "" when nothing.
func (d *differ) byHand(unit string, workload Workload, current ActualWorkload) (by Holder, reason string) {
	switch {
	case current.Enabled == "masked" || current.Enabled == "masked-runtime":
		return ByMask, "unit is masked: systemctl unmask " + unit + " to let it run"
	case current.isAnothers(workload):
		return "", "" // what was done to the one object says nothing of the other
	case workload.Keep != KeepRunning || current.Job != "" || !current.stopped(workload):
		return "", ""
	case d.halfWritten(unit, workload, current):
		return "", ""
	case d.isOwed(unit, workload) && current.Started:
		return "", ""
	case current.Enabled == "disabled":
		return ByDisable, "unit is disabled: systemctl enable --now " + unit + " to let it run"
	case current.Started && !current.NeedReload && !d.stoppedAlong(workload, current):
		return ByStop, "stopped by hand: systemctl start " + unit + " to let it run"
	default:
		return "", ""
	}
}

// halfWritten reports whether a pass ended after it wrote a unit and before it enabled it: that is not
// a person's disabling it.
func (d *differ) halfWritten(unit string, workload Workload, current ActualWorkload) bool {
	return d.isOwed(unit, workload) && current.Enabled == "disabled" && !current.Started
}

// stopped reports whether a unit rests because somebody stopped it. Nothing else stops what has no
// process of its own; of a container that systemd always starts again (Restart= of
// systemd.service(5)) the process may then have ended in any way.
func (w ActualWorkload) stopped(workload Workload) bool {
	switch {
	case w.Active == "active":
		return false
	case workload.Unit == nil || workload.Unit.Role != units.RoleContainer:
		return w.Active == "inactive"
	case !units.RestartsAlways(w.UnitText):
		return false
	case w.Active == "failed":
		return slices.Contains([]string{"exit-code", "signal", "core-dump", "timeout"}, w.Result)
	default:
		return w.Active == "inactive"
	}
}

// stoppedAlong reports whether a unit stopped because one did that it cannot be without: systemd
// says of no stop who asked for it, but that one then stopped, or started again, later.
func (d *differ) stoppedAlong(workload Workload, current ActualWorkload) bool {
	return slices.ContainsFunc(workload.Needs(), func(name string) bool {
		other, exists := d.actual.Workloads[name]
		return !exists || other.Active != "active" || !other.Since.Before(current.Since)
	})
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

package diff

import "github.com/davit-project/davit/reconcile"

// isDisabled reports whether an operator has disabled or masked a unit: davit does not enable it, also if its file changes.
// systemd refuses to enable a masked unit. A unit that an interrupted pass has written and not enabled does not count.
func (d *differ) isDisabled(unit string, workload reconcile.Workload) bool {
	current, exists := d.actual.Workloads[unit]
	isLeft := current.Enabled == "disabled" || current.IsMasked()
	return exists && isLeft && !current.IsOfAnother(workload) && !d.halfWritten(unit, workload, current)
}

// holdDisabled notes that a unit which an operator has disabled is not enabled. All else about it goes on.
func (d *differ) holdDisabled(unit string, workload reconcile.Workload) {
	d.plan.Hold(reconcile.Held{
		Object: workload.Ref.String(), Reason: "unit is disabled and does not start at boot: systemctl enable " + unit + " to have it start",
		By: reconcile.ByDisable, Intended: true,
	})
}

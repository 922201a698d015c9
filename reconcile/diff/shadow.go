package diff

import (
	"fmt"
	"github.com/davit-project/davit/reconcile"
)

// shadowed reports whether systemd uses a unit file of an operator's instead of davit's, and leaves all that the unit
// has as it is: what the file says is not for davit to know, nor what it needs.
func (d *differ) shadowed(unit string, workload reconcile.Workload) bool {
	current, exists := d.actual.Workloads[unit]
	if !exists || current.Shadow == "" {
		return false
	}
	verb := "is used"
	if current.ShadowUnread {
		verb = "will be used, once systemd has read it,"
	}
	reason := fmt.Sprintf("%s %s instead of the unit file that davit wrote, which stays unchanged: remove it to apply the manifest", current.Shadow, verb)
	d.plan.Hold(reconcile.Held{Object: workload.Ref.String(), Reason: reason, By: reconcile.ByShadow, Intended: true})
	d.kept[unit] = current
	return true
}

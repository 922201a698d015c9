package diff

import (
	"github.com/davit-project/davit/reconcile"
	"maps"
	"slices"
)

// repair plans to re-create what others have removed of what launchers made for units that are up. A unit that stops or
// restarts in this plan needs no repair.
func (d *differ) repair() {
	replaced := map[string]bool{}
	for _, action := range d.plan.Actions {
		replaced[action.Target] = replaced[action.Target] || action.RunsOn()
	}
	for _, unit := range slices.Sorted(maps.Keys(d.actual.Workloads)) {
		current := d.actual.Workloads[unit]
		object := current.Ref.String()
		_, suspended := d.options.Suspended[object]
		switch {
		case current.Missing == "" || replaced[unit] || suspended:
		case d.options.Applied != nil:
			d.plan.Hold(reconcile.Held{
				Object: object, Reason: "drift of " + unit + ": " + current.Missing + ": systemctl restart " + unit + " to put it right",
				By: reconcile.ByDriftPolicy, Intended: true,
			})
		default:
			d.plan.Add(reconcile.Action{Verb: reconcile.Repair, Object: object, Target: unit, Reason: current.Missing})
		}
	}
}

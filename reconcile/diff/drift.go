package diff

import (
	"cmp"
	"maps"
	"slices"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/history"
)

// drifted reports whether a change only repairs a change that others made on the node, and is only to be reported: the object was
// applied in this version, and worked. Units that have not run since boot have not drifted.
func (d *differ) drifted(c change) bool {
	if d.options.Applied == nil {
		return false
	}
	if d.versions == nil {
		d.versions = history.Versions(d.desired)
	}
	object := c.workload.Ref.String()
	current, exists := d.actual.Workloads[c.unit]
	started := !exists || current.Started || c.verb == ""
	return started && d.options.Applied[object] == d.versions[object]
}

// keepDrifted reports drift, and preserves the actual state.
func (d *differ) keepDrifted(c change) {
	reason := cmp.Or(c.write, c.why, "its bundle is not on the disk")
	d.plan.Hold(reconcile.Held{Object: c.workload.Ref.String(), Reason: "drift of " + c.unit + ": " + reason, By: reconcile.ByDriftPolicy, Intended: true})
	if current, exists := d.actual.Workloads[c.unit]; exists {
		d.kept[c.unit] = current
	}
}

// repair plans to re-create parts that others have removed of running units: mounts, links, rules. A unit that stops or restarts
// in this plan needs no repair.
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

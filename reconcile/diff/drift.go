package diff

import (
	"cmp"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/history"
)

// drifted reports whether a change only puts right what somebody did to the node, and is to be told
// instead: the object was applied in this version, and worked. What has not run since boot is no
// drift.
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

// keepDrifted tells of drift, and keeps what is there.
func (d *differ) keepDrifted(c change) {
	reason := cmp.Or(c.write, c.why, "its bundle is not on the disk")
	d.plan.Hold(reconcile.Held{Object: c.workload.Ref.String(), Reason: "drift of " + c.unit + ": " + reason, By: reconcile.ByDriftPolicy, Intended: true})
	if current, exists := d.actual.Workloads[c.unit]; exists {
		d.kept[c.unit] = current
	}
}

package diff

import (
	"maps"
	"slices"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// A job's record says that it has ended well, and does not run again. It is of the object as that is now: one that
// is deleted and added again, or changed and changed back, is another job, and runs. For as long as a generation
// has the version, the record is put aside: going back to the generation runs nothing again.

// completed reports whether a job has ended well.
func (d *differ) completed(workload reconcile.Workload) bool {
	_, ok := d.completedAt(workload)
	return ok
}

// completedAt says when. A record that was put aside counts for a version that an earlier generation had.
func (d *differ) completedAt(workload reconcile.Workload) (time.Time, bool) {
	if ended, ok := d.actual.Completed[workload.BundleDir]; ok {
		return ended, true
	}
	ended, ok := d.actual.PutAside[workload.BundleDir]
	return ended, ok && workload.Restored
}

// expired reports whether a job has completed so long ago that its unit is removed. A job that another object waits for stays.
func (d *differ) expired(workload reconcile.Workload) bool {
	if workload.TTL == nil {
		return false
	}
	ended, ok := d.completedAt(workload)
	return ok && d.options.Now.Sub(ended) >= *workload.TTL && !d.needed(workload)
}

// needed reports whether a unit of another object requires the workload's.
func (d *differ) needed(workload reconcile.Workload) bool {
	for _, other := range d.desired.Workloads {
		if other.Ref != workload.Ref && other.Unit != nil && slices.Contains(other.Unit.Dependencies.Requires, workload.Unit.Name) {
			return true
		}
	}
	return false
}

// expiredBundles are those of expired jobs, of which only the fact is kept that they have ended.
func (d *differ) expiredBundles() map[string]bool {
	expired := map[string]bool{}
	for _, workload := range d.desired.Workloads {
		if d.expired(workload) {
			expired[workload.BundleDir] = true
		}
	}
	return expired
}

// recall plans that the records count again of versions that are restored.
func (d *differ) recall() {
	d.recalled = map[string]string{}
	if len(d.actual.PutAside) == 0 {
		return
	}
	for _, unit := range slices.Sorted(maps.Keys(d.desired.Workloads)) {
		workload := d.desired.Workloads[unit]
		_, current := d.actual.Completed[workload.BundleDir]
		if current || !d.completed(workload) {
			continue
		}
		d.recalled[unit] = d.plan.Add(reconcile.Action{
			Verb: reconcile.RecallJob, Object: workload.Ref.String(), Target: workload.BundleDir, Reason: "it completed in this version",
		})
	}
}

// retire plans that records do not count any more of versions that no object has now, once nothing is left of them.
// It keeps those that a generation may need.
func (d *differ) retire() {
	if d.options.Restored || len(d.actual.Completed)+len(d.actual.PutAside) == 0 {
		return // during a rollback the manifests may define objects that the generation lacks
	}
	wanted, kept := map[string]bool{}, map[string]bool{}
	for _, workload := range d.desired.Workloads {
		wanted[workload.BundleDir] = true
	}
	for _, generation := range d.options.Kept {
		for _, dir := range generation.Bundles {
			kept[dir] = true
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(d.actual.Completed)) {
		after, over := d.isOver(dir)
		switch {
		case wanted[dir] || !over:
		case kept[dir]:
			d.plan.Add(reconcile.Action{Verb: reconcile.RetireJob, Object: dir, Target: dir, Reason: "no object has this version any more", Needs: after})
		default:
			d.plan.Add(reconcile.Action{Verb: reconcile.ForgetJob, Object: dir, Target: dir, Reason: "its job is gone", Needs: after})
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(d.actual.PutAside)) {
		if !wanted[dir] && !kept[dir] && d.options.HoldPrune == "" {
			d.plan.Add(reconcile.Action{Verb: reconcile.ForgetJob, Object: dir, Target: dir, Reason: "its job is gone"})
		}
	}
}

// isOver reports whether nothing has a job's version, which is not wanted, after the plan, and the actions that see
// to it.
func (d *differ) isOver(dir string) (after []string, over bool) {
	unit := names.Service(bundle.IDOf(dir))
	current, exists := d.actual.Workloads[unit]
	workload, wanted := d.desired.Workloads[unit]
	switch {
	case slices.Contains(d.removals, unit):
		return []string{string(reconcile.RemoveUnit) + " " + unit}, true
	case d.written[unit] != "":
		return []string{d.written[unit]}, true
	case exists && current.BundleDir == dir, d.objectOf(unit) != "", wanted && d.options.Suspended[workload.Ref.String()] != "":
		return nil, false
	default:
		return nil, wanted || d.options.HoldPrune == ""
	}
}

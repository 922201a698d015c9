package diff

import (
	"fmt"
	"path"
	"slices"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/claims"
	"github.com/davit-project/davit/units/bundle"
)

// holdBack keeps an object as it is on the node, whole.
func (d *differ) holdBack(held reconcile.Held, ref v1.Ref) {
	d.plan.Hold(held)
	d.changes = slices.DeleteFunc(d.changes, func(c change) bool {
		if c.workload.Ref != ref {
			return false
		}
		if current, exists := d.actual.Workloads[c.unit]; exists {
			d.kept[c.unit] = current
		}
		return true
	})
}

// holdVolumes holds back objects whose containers would no longer see the data of a named volume, because the Volume
// became a path of the node or an empty directory. The data stays on the disk.
func (d *differ) holdVolumes() {
	if d.options.Confirmed {
		return
	}
	for _, c := range slices.Clone(d.changes) {
		for _, name := range d.lost(c) {
			d.holdBack(reconcile.Held{
				Object: c.workload.Ref.String(), By: reconcile.ByVolume,
				Reason: fmt.Sprintf("Volume/%s is no longer a named volume, and its containers would not see the data in %s: confirm with davit apply --confirm-prune",
					name, path.Join(bundle.VolumesDir, name)),
			}, c.workload.Ref)
		}
	}
}

// lost are the named volumes in whose place a change mounts something else, because their Volumes are of another
// kind now.
func (d *differ) lost(c change) []string {
	before := d.actual.Workloads[c.unit].Bundle
	if before == nil || c.workload.Bundle == nil {
		return nil
	}
	var names []string
	for _, mount := range before.Spec.Mounts {
		name := volumeOf(claims.NodePath(before, mount.Source))
		_, stays := d.desired.Volumes[name]
		_, exists := d.actual.Volumes[name]
		if !exists || stays || !d.options.Volumes[name] {
			continue
		}
		for _, after := range c.workload.Bundle.Spec.Mounts {
			if after.Destination == mount.Destination {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

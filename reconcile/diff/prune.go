package diff

import (
	"maps"
	"slices"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/claims"
	"github.com/davit-project/davit/reconcile/compare"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// prune plans the removal of unused things. If removals are held back, everything stays.
func (d *differ) prune() {
	if d.options.HoldPrune != "" || d.usesUnknown() {
		return
	}
	used, freed := d.uses(), d.frees()
	if len(d.options.Unsettled.Sources) == 0 { // of these the node does not say which manifest they came from
		d.pruneNetworks(used, freed)
		d.pruneVolumes(used, freed)
	}
	d.pruneBundles(used, freed)
	for _, id := range slices.Sorted(maps.Keys(d.actual.Images)) {
		if !used.images[id] && !freed.images.held(id) {
			d.plan.Add(reconcile.Action{Verb: reconcile.ReleaseImage, Object: compare.ShortDigest("sha256:" + id), Target: id, Reason: notUsed, Needs: freed.images[id]})
		}
	}
}

// usesUnknown reports whether the resources of a unit are unknown: its bundle is gone or damaged, or it is being cleaned up.
func (d *differ) usesUnknown() bool {
	unknown := false
	for _, current := range d.actual.Workloads {
		unread := current.BundleDir != "" && current.Bundle == nil ||
			current.RunningDir != "" && current.RunningDir != current.BundleDir && current.Running == nil
		leaves := current.Active == names.Deactivating && current.RunningDir == ""
		d.plan.PruneLater = d.plan.PruneLater || leaves
		unknown = unknown || unread || leaves
	}
	return unknown
}

const notUsed = "nothing uses it any more"

func (d *differ) pruneNetworks(used things, freed freeing) {
	for _, name := range slices.Sorted(maps.Keys(d.actual.Networks)) {
		if !used.networks[name] && !freed.networks.held(name) {
			d.plan.Add(reconcile.Action{Verb: reconcile.RemoveNetwork, Object: "Network/" + name, Target: name, Reason: notUsed, Needs: freed.networks[name]})
		}
	}
}

// pruneVolumes plans nothing during a rollback: the manifests may define volumes that the earlier generation lacks.
func (d *differ) pruneVolumes(used things, freed freeing) {
	if d.options.Restored {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(d.actual.Volumes)) {
		_, wanted := d.desired.Volumes[name]
		if wanted || d.options.Volumes[name] || !d.actual.Volumes[name].Delete || used.volumes[name] || freed.volumes.held(name) {
			continue
		}
		const reason = "manifest is gone, and its reclaim policy is Delete"
		d.plan.Add(reconcile.Action{Verb: reconcile.RemoveVolume, Object: "Volume/" + name, Target: name, Reason: reason, Needs: freed.volumes[name]})
	}
}

func (d *differ) pruneBundles(used things, freed freeing) {
	expired := d.expiredBundles()
	for _, dir := range slices.Sorted(slices.Values(d.actual.Bundles)) {
		if (!used.bundles[dir] || expired[dir]) && !freed.bundles.held(dir) {
			d.plan.Add(reconcile.Action{Verb: reconcile.RemoveBundle, Object: dir, Target: dir, Reason: notUsed, Needs: freed.bundles[dir]})
		}
	}
}

// things are the names of the resources of workloads, of images their ids.
type things struct{ networks, volumes, images, bundles map[string]bool }

func newThings() things {
	return things{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
}

// uses returns the resources of desired and preserved workloads, and of the generations that a rollback may return to.
func (d *differ) uses() things {
	used := newThings()
	for name := range d.desired.Networks {
		used.networks[name] = true
	}
	for _, image := range d.desired.Images {
		used.images[image.ID] = true
	}
	for _, generation := range d.options.Kept {
		for _, dir := range generation.Bundles {
			used.bundles[dir] = true
		}
		for _, id := range generation.Images {
			used.images[id] = true
		}
	}
	for _, workload := range d.desired.All() {
		used.bundles[workload.BundleDir] = true
	}
	for _, current := range d.kept {
		used.bundles[current.BundleDir] = true
		used.bundles[current.RunningDir] = true
		for b := range current.Bundles() {
			used.add(b)
		}
	}
	return used
}

// add adds the resources of a bundle.
func (t things) add(b *bundle.Bundle) {
	for _, image := range b.Images() {
		t.images[image.ID] = true
	}
	for _, mount := range b.Spec.Mounts {
		t.volumes[volumeOf(claims.NodePath(b, mount.Source))] = true
	}
	for _, attachment := range b.Network.Attachments {
		t.networks[attachment.Network] = true
	}
}

// freeing returns, for resources that units use now, the actions that end the use.
type freeing struct{ networks, volumes, images, bundles usage }

// usage are the actions that free a thing, by its name. A thing that is used by a unit which this plan
// does not change has the action "".
type usage map[string][]string

func (u usage) note(names map[string]bool, id string) {
	for name := range names {
		u[name] = append(u[name], id)
	}
}

// held reports whether a thing stays in use.
func (u usage) held(name string) bool { return slices.Contains(u[name], "") }

// frees are the things that units use now which are not kept, and the actions that end that.
func (d *differ) frees() freeing {
	freed := freeing{usage{}, usage{}, usage{}, usage{}}
	for unit, current := range d.actual.Workloads {
		if _, kept := d.kept[unit]; kept {
			continue
		}
		file, run := d.freedBy(unit)
		if current.RunningDir == current.BundleDir {
			file = run
		}
		freed.note(current.BundleDir, current.Bundle, file)
		freed.note(current.RunningDir, current.Running, run)
	}
	return freed
}

// note adds a bundle and its resources.
func (f freeing) note(dir string, b *bundle.Bundle, id string) {
	f.bundles[dir] = append(f.bundles[dir], id)
	if b == nil {
		return
	}
	used := newThings()
	used.add(b)
	f.networks.note(used.networks, id)
	f.volumes.note(used.volumes, id)
	f.images.note(used.images, id)
}

// freedBy returns the actions after which a unit's file names its present resources no more, and its process uses them no more;
// "" for none.
func (d *differ) freedBy(unit string) (file, run string) {
	if slices.Contains(d.removals, unit) {
		id := string(reconcile.RemoveUnit) + " " + unit
		return id, id
	}
	i := slices.IndexFunc(d.changes, func(c change) bool { return c.unit == unit })
	if i < 0 {
		return "", ""
	}
	c := d.changes[i]
	switch {
	case c.called: // it is dismissed at the end
		id := string(reconcile.RemoveUnit) + " " + unit
		return id, id
	case c.verb != "":
		run = c.begin()
	case c.yields, d.actual.Workloads[unit].IsDown():
		run = d.written[unit]
	}
	return d.written[unit], run
}

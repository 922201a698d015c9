package diff

import (
	"fmt"
	"maps"
	"slices"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/compare"
	"github.com/davit-project/davit/units/names"
)

// imagesOf are the keys of the images that a workload needs.
func imagesOf(w reconcile.Workload) []string {
	var keys []string
	if w.Bundle != nil {
		for _, image := range w.Bundle.Images() {
			keys = append(keys, reconcile.Image{Image: image}.Key())
		}
	}
	return keys
}

// isLate reports whether an image is pulled only after its users have stopped: all of them ask for that.
func (d *differ) isLate(key string) bool {
	late := false
	for _, workload := range d.desired.Workloads {
		if slices.Contains(imagesOf(workload), key) {
			if !workload.Update.PullLate {
				return false
			}
			late = true
		}
	}
	return late
}

// needsLate reports whether a unit needs an image that is not there, and is fetched late.
func (d *differ) needsLate(c change) bool {
	return slices.ContainsFunc(imagesOf(c.workload), func(key string) bool {
		image := d.desired.Images[key]
		return !slices.Contains(d.actual.Images[image.ID], key) && d.isLate(key)
	})
}

// pullLate plans to pull images after their users have stopped, and to delete images before that to make room for them.
func (d *differ) pullLate(ordered []change) {
	d.pulled = map[string]string{}
	if len(d.late) == 0 {
		return
	}
	var deletes []string
	outdated := d.outdated(ordered)
	for _, id := range slices.Sorted(maps.Keys(outdated)) {
		deletes = append(deletes, d.plan.Add(reconcile.Action{
			Verb: reconcile.DeleteImage, Object: compare.ShortDigest("sha256:" + id), Target: id, Reason: "makes room for its next version", Needs: outdated[id],
		}))
	}
	for _, key := range d.late {
		image := d.desired.Images[key]
		d.pulled[key] = d.plan.Add(reconcile.Action{
			Verb: reconcile.PullLate, Object: image.Reference, Target: key, After: slices.Concat(d.stopsFor(key, ordered), deletes), Waits: d.usedStill(key),
			Reason: fmt.Sprintf("%s is not on the node, and is fetched once the containers that use it have stopped", compare.ShortDigest(image.Digest)),
		})
	}
}

// stopsFor are the stops of the units that wait for an image.
func (d *differ) stopsFor(key string, ordered []change) []string {
	var stops []string
	for _, c := range ordered {
		if stop, ok := d.halted[c.unit]; ok && slices.Contains(imagesOf(c.workload), key) {
			stops = append(stops, stop)
		}
	}
	return stops
}

// usedStill says which of the units that wait for an image is still stopping; "" for none.
func (d *differ) usedStill(key string) string {
	for _, unit := range slices.Sorted(maps.Keys(d.desired.Workloads)) {
		if d.actual.Workloads[unit].Active == names.Deactivating && slices.Contains(imagesOf(d.desired.Workloads[unit]), key) {
			return unit + " is stopping"
		}
	}
	return ""
}

// outdated returns the images that are deleted before their next versions are pulled: by their ids, the stops of their users.
// Images of other running units stay.
func (d *differ) outdated(ordered []change) map[string][]string {
	used := map[string]bool{}
	for _, image := range d.desired.Images {
		used[image.ID] = true
	}
	for _, current := range d.kept {
		if current.Bundle != nil {
			for _, image := range current.Bundle.Images() {
				used[image.ID] = true
			}
		}
	}
	stops := map[string][]string{}
	for _, c := range ordered {
		if id := d.outdatedBy(c); id != "" && !used[id] && d.actual.Images[id] != nil {
			stops[id] = append(stops[id], d.stopOf(c)...)
		}
	}
	return stops
}

// outdatedBy is the image that is deleted before a change pulls its next version; "" for none.
func (d *differ) outdatedBy(c change) string {
	if !c.workload.Update.DeleteFirst || !d.needsLate(c) {
		return ""
	}
	if b := d.actual.Workloads[c.unit].Bundle; c.halt && b != nil {
		return b.Image.ID
	}
	return d.options.Owed[c.unit]
}

// stopOf is the action that stops a unit which is halted; none where it has stopped already.
func (d *differ) stopOf(c change) []string {
	if stop, ok := d.halted[c.unit]; ok {
		return []string{stop}
	}
	return nil
}

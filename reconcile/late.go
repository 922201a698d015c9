package reconcile

import (
	"fmt"
	"slices"
)

// imagesOf are the keys of the images that a workload needs.
func imagesOf(w Workload) []string {
	var keys []string
	if w.Bundle != nil {
		for _, image := range w.Bundle.Images() {
			keys = append(keys, Image{Image: image}.Key())
		}
	}
	return keys
}

// isLate reports whether an image is fetched once what uses it has stopped: all of that wants it so.
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

// pullLate plans to fetch images once what uses them has stopped, and to delete before what is to make
// room for them.
func (d *differ) pullLate(ordered []change) {
	d.pulled = map[string]string{}
	if len(d.late) == 0 {
		return
	}
	after := d.stopped()
	outdated := d.outdated(ordered)
	for _, id := range sortedKeys(outdated) {
		after = append(after, d.plan.add(Action{
			Verb: DeleteImage, Object: shortDigest("sha256:" + id), Target: id, Reason: "makes room for its next version", Needs: outdated[id],
		}))
	}
	for _, key := range d.late {
		image := d.desired.Images[key]
		d.pulled[key] = d.plan.add(Action{
			Verb: PullLate, Object: image.Reference, Target: key, After: after,
			Reason: fmt.Sprintf("%s is not on the node, and is fetched once what uses it has stopped", shortDigest(image.Digest)),
		})
	}
}

// outdated are the images that are deleted before their next versions are fetched: by their ids, the
// stops of what uses them. What else runs keeps its own.
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
		current := d.actual.Workloads[c.unit]
		if c.halt && c.workload.Update.DeleteFirst && current.Bundle != nil && !used[current.Bundle.Image.ID] && d.needsLate(c) {
			stops[current.Bundle.Image.ID] = append(stops[current.Bundle.Image.ID], d.halted[c.unit])
		}
	}
	return stops
}

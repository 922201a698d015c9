package history

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/davit-project/davit/reconcile"
)

// Quarantined is a version of an object that was tried and did not work. It is not tried again until the manifest results in
// another one.
type Quarantined struct {
	Version Version `json:"version"`
	// Generation is the one that tried it, Since when it was given up.
	Generation int       `json:"generation"`
	Since      time.Time `json:"since"`
	// Reason is the cause, for people.
	Reason string `json:"reason"`
	// With is the object that did not work, where this one was only taken back with it.
	With string `json:"with,omitempty"`
}

// fallback is an object that is to be as an earlier generation had it.
type fallback struct {
	Object     string
	Generation int
	Reason     string
}

// fallbacks are the objects that are wanted in a version that did not work, and the generation, out
// of those kept, that has each as it last worked. An object that never worked has none.
func fallbacks(desired reconcile.Desired, quarantine map[string]Quarantined, kept []Generation) []fallback {
	if len(quarantine) == 0 {
		return nil // most of the time, and to tell versions takes a while
	}
	versions := Versions(desired)
	var fallbacks []fallback
	objects := slices.Sorted(maps.Keys(quarantine))
	slices.SortStableFunc(objects, func(a, b string) int { // the cause comes first
		return cmp.Compare(min(len(quarantine[a].With), 1), min(len(quarantine[b].With), 1))
	})
	for _, object := range objects {
		bad := quarantine[object]
		if versions[object] != bad.Version {
			continue
		}
		if good, ok := lastGood(object, bad.Version, kept); ok {
			fallbacks = append(fallbacks, fallback{Object: object, Generation: good, Reason: bad.Reason})
		}
	}
	return fallbacks
}

// Settle replaces parts of a desired state by earlier versions: objects that are not possible yet by the newest version of which
// a part is in place, and objects whose version did not work by the one that worked last. earlier returns the desired state of a
// generation, with the bundles that still exist. If it fails, an object stays as desired, and one that is not possible stays as
// it runs.
func Settle(desired reconcile.Desired, quarantine map[string]Quarantined, kept []Generation, earlier func(number int) (reconcile.Desired, error)) (reconcile.Desired, []reconcile.Held, []error) {
	waiting := waitingIn(desired, kept)
	for _, number := range slices.Sorted(maps.Keys(waiting)) {
		if before, err := earlier(number); err == nil {
			maps.DeleteFunc(waiting[number], func(object string, _ bool) bool { return lostBundle(before, object) != "" })
			desired = FallBack(desired, waiting[number], before)
		}
	}
	var held []reconcile.Held
	var failures []error
	for _, fallback := range fallbacks(desired, quarantine, kept) {
		before, err := earlier(fallback.Generation)
		if dir := lostBundle(before, fallback.Object); err == nil && dir != "" {
			err = fmt.Errorf("generation %d: %s: its bundle %s is not on the disk any more", fallback.Generation, fallback.Object, dir)
		}
		if err != nil {
			failures = append(failures, err)
			continue
		}
		desired = FallBack(desired, map[string]bool{fallback.Object: true}, before)
		held = append(held, reconcile.Held{Object: fallback.Object, Reason: fallback.String(), By: reconcile.ByFailedChange})
	}
	return desired, held, failures
}

// waitingIn returns the objects that are not possible yet, by the newest generation that has begun to apply its version of them.
// The manifests do not desire versions any more that were never begun.
func waitingIn(desired reconcile.Desired, kept []Generation) map[int]map[string]bool {
	waiting := map[int]map[string]bool{}
	for _, problem := range desired.Problems {
		object := problem.Ref.String()
		if len(kept) == 0 || kept[0].Objects[object] == "" {
			continue
		}
		i := slices.IndexFunc(kept, func(g Generation) bool { return !g.Pending[object] })
		if i < 0 || kept[i].Objects[object] == "" {
			continue
		}
		if waiting[kept[i].Number] == nil {
			waiting[kept[i].Number] = map[string]bool{}
		}
		waiting[kept[i].Number][object] = true
	}
	return waiting
}

// lastGood is the generation that brought the version, other than this one, in which the object worked
// last. kept has the newest one first.
func lastGood(object string, not Version, kept []Generation) (number int, ok bool) {
	var version Version
	for _, generation := range kept {
		if !generation.Works(object) || generation.Objects[object] == not {
			continue
		}
		if !ok {
			version = generation.Objects[object]
		}
		if generation.Objects[object] == version {
			number, ok = generation.Number, true
		}
	}
	return number, ok
}

// lostBundle is the directory of a bundle that an object had and that is no longer on the disk as it was; "" for none.
func lostBundle(desired reconcile.Desired, object string) string {
	for _, workload := range desired.All() {
		if workload.Ref.String() == object && workload.BundleDir != "" && workload.Bundle == nil {
			return workload.BundleDir
		}
	}
	return ""
}

// FallBack replaces objects of a desired state by their versions in an earlier generation.
func FallBack(desired reconcile.Desired, objects map[string]bool, earlier reconcile.Desired) reconcile.Desired {
	desired.Workloads = maps.Clone(desired.Workloads)
	desired.Images = maps.Clone(desired.Images)
	desired.Networks = maps.Clone(desired.Networks)
	desired.Volumes = maps.Clone(desired.Volumes)
	desired.Spares = maps.Clone(desired.Spares)
	for _, kind := range []struct{ to, from map[string]reconcile.Workload }{
		{desired.Workloads, earlier.Workloads}, {desired.Spares, earlier.Spares},
	} {
		maps.DeleteFunc(kind.to, func(_ string, w reconcile.Workload) bool { return objects[w.Ref.String()] })
		for unit, workload := range kind.from {
			if objects[workload.Ref.String()] {
				workload.Restored = true
				kind.to[unit] = workload
				bring(desired, workload, earlier)
			}
		}
	}
	return desired
}

// Restore marks the desired state of an earlier generation as restored.
func Restore(earlier reconcile.Desired) reconcile.Desired {
	earlier.Workloads = maps.Clone(earlier.Workloads)
	for unit, workload := range earlier.Workloads {
		workload.Restored = true
		earlier.Workloads[unit] = workload
	}
	return earlier
}

// bring adds the resources of a workload to a desired state. Networks and volumes that the manifests still define are as defined
// there; the workload's name identifies them.
func bring(desired reconcile.Desired, workload reconcile.Workload, from reconcile.Desired) {
	if workload.Bundle != nil {
		for _, image := range workload.Bundle.Images() {
			key := reconcile.Image{Image: image}.Key()
			if wanted, ok := from.Images[key]; ok {
				desired.Images[key] = wanted
			}
		}
	}
	for _, name := range workload.Networks {
		// A network of the node's own is in neither.
		if network, ok := from.Networks[name]; ok && desired.Networks[name].Conflist == nil {
			desired.Networks[name] = network
		}
	}
	for _, name := range workload.Volumes {
		if _, ok := desired.Volumes[name]; !ok {
			desired.Volumes[name] = from.Volumes[name]
		}
	}
}

// String names the version that an object returns to, and the reason, for people.
func (f fallback) String() string {
	return fmt.Sprintf("its last change did not work and was rolled back to generation %d: %s", f.Generation, f.Reason)
}

package history

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/davit-project/davit/reconcile"
)

// TakeBack returns the objects of the newest generation that return to an earlier version although the manifests desire another:
// the objects that failed in a version which never worked before, while an earlier one did, and those that asked for a rollback
// together with them. Objects without an earlier version are left to systemd, which continues to try. Objects in quarantine
// already are not among them.
func TakeBack(desired reconcile.Desired, quarantine map[string]Quarantined, kept []Generation, now time.Time) map[string]Quarantined {
	if len(kept) == 0 || len(kept[0].Failed) == 0 {
		return nil // most of the time, and to tell versions takes a while
	}
	newest, versions := kept[0], Versions(desired)
	bad := newlyFailed(newest, kept, now)
	maps.DeleteFunc(bad, func(object string, failed Quarantined) bool {
		return versions[object] != failed.Version || quarantine[object].Version == failed.Version
	})
	together := members(desired)
	for _, failed := range slices.Sorted(maps.Keys(bad)) {
		if !together[failed] {
			continue
		}
		for _, member := range slices.Sorted(maps.Keys(together)) {
			if _, known := bad[member]; known || !changedWith(member, failed, versions[member], kept) {
				continue
			}
			bad[member] = Quarantined{
				Version: versions[member], Generation: newest.Number, Since: now, With: failed,
				Reason: fmt.Sprintf("it changed with %s, which did not work: %s", failed, bad[failed].Reason),
			}
		}
	}
	return bad
}

// members are the objects that are to be taken back together.
func members(desired reconcile.Desired) map[string]bool {
	together := map[string]bool{}
	for _, workload := range desired.Workloads {
		if workload.Update.Whole {
			together[workload.Ref.String()] = true
		}
	}
	return together
}

// changedWith reports whether the version of an object, which has an earlier one that worked, has never worked beside
// one of the object that failed.
func changedWith(object, failed string, version Version, kept []Generation) bool {
	if _, ok := lastGood(object, version, kept); !ok {
		return false
	}
	return !slices.ContainsFunc(kept, func(g Generation) bool {
		return g.Objects[object] == version && g.Works(object) && g.Works(failed) && !slices.Contains(g.Waiting, failed)
	})
}

// newlyFailed are the objects of a generation that failed in a version which never worked before, while another one
// did.
func newlyFailed(generation Generation, kept []Generation, now time.Time) map[string]Quarantined {
	bad := map[string]Quarantined{}
	for object, reason := range generation.Failed {
		version := generation.Objects[object]
		worked := slices.ContainsFunc(kept, func(g Generation) bool { return g.Works(object) && g.Objects[object] == version })
		if _, ok := lastGood(object, version, kept); ok && !worked {
			bad[object] = Quarantined{Version: version, Generation: generation.Number, Since: now, Reason: reason}
		}
	}
	return bad
}

// Lasting are the versions that are not tried for now. One that is not desired any more is tried when it is desired again: the
// obstacle may have been outside. So is one that was only rolled back together with such a version. complete reports whether all
// manifests can be read.
func Lasting(quarantine map[string]Quarantined, wanted reconcile.Desired, complete bool) map[string]Quarantined {
	if len(quarantine) == 0 {
		return quarantine // most of the time, and to tell versions takes a while
	}
	versions, unknown := Versions(wanted), WaitingOf(wanted)
	lasting := maps.Clone(quarantine)
	maps.DeleteFunc(lasting, func(object string, bad Quarantined) bool {
		version, is := versions[object]
		return is && version != bad.Version || !is && complete && !slices.Contains(unknown, object)
	})
	maps.DeleteFunc(lasting, func(_ string, bad Quarantined) bool {
		_, lasts := lasting[bad.With]
		return bad.With != "" && !lasts
	})
	return lasting
}

// LastConfirmed are the numbers of the generations that say what to go back to: for each object of the newest one, or on
// the node, the newest generation in which it was confirmed. A manifest that has an error leaves its object on the node.
func LastConfirmed(kept []Generation, actual reconcile.Actual) map[int]bool {
	numbers := map[int]bool{}
	note := func(object string) {
		i := slices.IndexFunc(kept, func(g Generation) bool {
			return g.Works(object) && !slices.Contains(g.Waiting, object) // it may still get another version
		})
		if i >= 0 {
			numbers[kept[i].Number] = true
		}
	}
	if len(kept) > 0 {
		for object := range kept[0].Objects {
			note(object)
		}
	}
	for _, workload := range actual.Workloads {
		note(workload.Ref.String())
	}
	return numbers
}

// Back is the generation that a rollback goes to: the newest one before the last in which the objects that differ
// between the two were confirmed. If davit has taken the last change back already, that is a generation like the
// newest one.
func Back(kept []Generation) (Generation, bool) {
	for i := 1; i < len(kept); i++ {
		if kept[i].isBefore(kept[0]) {
			return kept[i], true
		}
	}
	for i := 1; i < len(kept); i++ {
		if kept[i].State == Applied {
			return kept[i], true
		}
	}
	return Generation{}, false
}

// isBefore reports whether a rollback to the generation changes anything, and only to versions that were confirmed in it.
func (g Generation) isBefore(newest Generation) bool {
	for object, version := range g.Objects {
		if version != newest.Objects[object] && !g.Works(object) {
			return false
		}
	}
	return !maps.Equal(g.Objects, newest.Objects)
}

package agent

import (
	"maps"
	"time"

	"github.com/davit-project/davit/agent/generations"
	"github.com/davit-project/davit/reconcile"
)

// takeBack decides what of a generation is to be as it was before. It reports whether that is
// anything.
func (n *Node) takeBack(v *view, generation reconcile.Generation) (bool, error) {
	bad := reconcile.NewlyFailed(generation, v.kept, time.Now())
	if len(bad) == 0 {
		return false, nil
	}
	if object, before := v.whole(bad, generation); before > 0 {
		digest, err := n.digest(v.set)
		if err != nil {
			return false, err
		}
		pin := generations.Pin{Generation: before, Since: time.Now(), Manifests: digest, Reason: object + ": " + bad[object].Reason}
		return true, n.generations.SetPin(&pin)
	}
	quarantine := maps.Clone(v.decided.Quarantine)
	maps.Copy(quarantine, bad)
	return true, n.generations.SetQuarantine(quarantine)
}

// whole is the object among those that failed with which all changes are taken back, and the
// generation before them; 0 when there is none.
func (v *view) whole(bad map[string]reconcile.Quarantined, generation reconcile.Generation) (object string, before int) {
	for _, workload := range v.desired.Workloads {
		if _, failed := bad[workload.Ref.String()]; failed && workload.Update.Whole {
			object = workload.Ref.String()
		}
	}
	if object == "" {
		return "", 0
	}
	for _, earlier := range v.kept {
		if earlier.Number < generation.Number && earlier.State == reconcile.Applied {
			return object, earlier.Number
		}
	}
	return "", 0
}

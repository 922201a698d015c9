package agent

import (
	"maps"
	"time"

	"github.com/davit-project/davit/reconcile/history"
)

// takeBack decides which parts of the newest generation are rolled back. It reports whether any are.
func (n *Node) takeBack(v *view) (bool, error) {
	if v.pinned {
		return false, nil // an operator rolled back to this version
	}
	bad := history.TakeBack(v.desired, v.decided.Quarantine, v.kept, time.Now())
	if len(bad) == 0 {
		return false, nil
	}
	quarantine := map[string]history.Quarantined{}
	maps.Copy(quarantine, v.decided.Quarantine)
	maps.Copy(quarantine, bad)
	return true, n.generations.SetQuarantine(quarantine)
}

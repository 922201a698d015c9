package agent

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/davit-project/davit/agent/drift"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// damage is what is known of what others have removed of what launchers made for containers that run. To look costs a
// system call or more for each container: it is done again only after something went, while anything is missing, and for
// containers that did not run at the last look. The zero value knows nothing.
type damage struct {
	mu      sync.Mutex
	fresh   bool                // nothing went since known was found out
	checked map[string]bool     // the containers that it was found out for
	known   map[string][]string // by container, in words
}

// suspect has the next look find out again. It may be called from anywhere.
func (d *damage) suspect() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fresh = false
}

// look returns what is missing of containers that run, by container, and whether that is other than before.
func (d *damage) look(workloads map[string]reconcile.ActualWorkload) (known map[string][]string, changed bool, err error) {
	run := running(workloads)
	due := d.due(run)
	if len(due) == 0 && len(run) > 0 {
		return nil, false, nil
	}
	found, err := drift.Check(due)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fresh = d.fresh && err == nil
	changed = !reflect.DeepEqual(found, d.known) && len(found)+len(d.known) > 0
	d.known = found
	d.checked = make(map[string]bool, len(run))
	for _, b := range run {
		d.checked[b.ID] = true
	}
	return found, changed, err
}

// due are those of the containers that run that have to be looked at. What goes from here on may be missed by that look:
// it makes the next one look again.
func (d *damage) due(run []*bundle.Bundle) []*bundle.Bundle {
	d.mu.Lock()
	defer d.mu.Unlock()
	isKnown := d.fresh && len(d.known) == 0
	d.fresh = true
	if !isKnown {
		return run
	}
	return slices.DeleteFunc(slices.Clone(run), func(b *bundle.Bundle) bool { return d.checked[b.ID] })
}

// running are the bundles of containers and sandboxes that run.
func running(workloads map[string]reconcile.ActualWorkload) []*bundle.Bundle {
	var bundles []*bundle.Bundle
	for _, workload := range workloads {
		b := workload.Bundle
		if workload.RunningDir != workload.BundleDir {
			b = workload.Running
		}
		isUp := workload.RunningDir != "" || workload.Active == "active"
		if workload.RunningDir == "" {
			b = workload.Bundle // the record of which it runs may be gone
		}
		if isUp && b != nil && !hasEnded(workload, b) {
			bundles = append(bundles, b)
		}
	}
	return bundles
}

// hasEnded reports whether a unit is up although its container has ended, as that of a oneshot container is. The unit of a
// sandbox, which has no process, is up in the same way while its pod runs.
func hasEnded(workload reconcile.ActualWorkload, b *bundle.Bundle) bool {
	return workload.Sub == "exited" && b.Spec.Process != nil
}

// noteDamage notes what others have removed of what launchers made for units that are up and stay so.
func (n *Node) noteDamage(workloads map[string]reconcile.ActualWorkload) {
	known, _, err := n.damage.look(workloads)
	n.unchecked = err
	for id, missing := range known {
		unit := id + ".service"
		workload, own := workloads[unit]
		isUp := workload.Active == "active" || workload.Active == "reloading" || workload.Active == "activating"
		if own && isUp && workload.Sub != "auto-restart" && workload.Job != "stop" && workload.Job != "restart" {
			workload.Missing = strings.Join(missing, ", ")
			workloads[unit] = workload
		}
	}
	n.mends.forget(known)
}

// repairs has a launcher make again what is missing of containers that run.
type repairs struct{ node *Node }

// Repair implements [reconcile.Repairs].
func (r repairs) Repair(ctx context.Context, unit string) error {
	return r.node.mends.begin(ctx, strings.TrimSuffix(unit, ".service"))
}

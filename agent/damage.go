package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/davit-project/davit/agent/drift"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// damage caches the parts that others have removed of running containers. A check costs a system call or more for each container:
// it is repeated only after an event, while something is missing, and for containers that the last check has not seen. The zero
// value is empty.
type damage struct {
	mu      sync.Mutex
	fresh   bool                // nothing went since known was found out
	checked map[string]bool     // the containers that it was found out for
	known   map[string][]string // by container, in words
	news    bool                // known has changed since a pass last planned
}

// sight is the result of a check.
type sight struct {
	began time.Time
	// missing is by container, in words. It is from an earlier look for a container that this one has not seen.
	missing map[string][]string
	// unseen are the containers that were not checked in full: a launcher is at them, or err is why.
	unseen map[string]bool
	err    error
}

// suspect has the next look find out again. It may be called from anywhere.
func (d *damage) suspect() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fresh = false
}

// isNews reports whether the missing parts have changed since a pass last planned: checks outside a pass, such as for the report
// of workloads, find changes too.
func (d *damage) isNews() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.news
}

// planned records that a pass has planned with the result of its check.
func (d *damage) planned() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.news = false
}

// look checks running containers for missing parts, as far as the cache does not answer.
func (d *damage) look(workloads map[string]reconcile.ActualWorkload) sight {
	began, run := time.Now(), running(workloads)
	var found map[string][]string
	var err error
	if due := d.due(run); len(due) > 0 {
		found, err = drift.Check(due)
	}
	now := d.learn(run, found, err)
	now.began = began
	return now
}

// learn stores the result of a check of running containers.
func (d *damage) learn(run []*bundle.Bundle, found map[string][]string, err error) sight {
	unchecked, _ := errors.AsType[drift.Unchecked](err)
	now := sight{missing: map[string][]string{}, unseen: unchecked.IDs, err: unchecked.Err}
	d.mu.Lock()
	defer d.mu.Unlock()
	checked := make(map[string]bool, len(run))
	for _, b := range run {
		checked[b.ID] = !now.unseen[b.ID]
		missing := found[b.ID]
		if missing == nil && now.unseen[b.ID] {
			missing = d.known[b.ID]
		}
		if missing != nil {
			now.missing[b.ID] = missing
		}
	}
	d.news = d.news || !maps.EqualFunc(now.missing, d.known, slices.Equal)
	d.known, d.checked = now.missing, checked
	d.fresh = d.fresh && now.err == nil
	return now
}

// due returns the running containers that need a check. A part that is removed from here on may be missed by that check: the
// removal causes another one.
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
		isUp := workload.RunningDir != "" || workload.Active == names.Active
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

// noteDamage records the removed parts of units that are up and stay up.
func (n *Node) noteDamage(workloads map[string]reconcile.ActualWorkload) {
	now := n.damage.look(workloads)
	n.unchecked = now.err
	for id, missing := range now.missing {
		unit := names.Service(id)
		workload, own := workloads[unit]
		isUp := workload.Active.Up() || workload.Active == names.Activating
		if own && isUp && !workload.Sub.Restarting() && workload.Job != "stop" && workload.Job != "restart" {
			workload.Missing = strings.Join(missing, ", ")
			workloads[unit] = workload
		}
	}
	n.repairs.saw(now)
}

// repairs has a launcher re-create the missing parts of running containers.
type repairs struct{ node *Node }

// Repair implements [reconcile.Repairs].
func (r repairs) Repair(ctx context.Context, unit string) error {
	return r.node.repairs.begin(ctx, names.ID(unit))
}

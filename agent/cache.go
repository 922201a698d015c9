package agent

import (
	"context"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/names"
)

// stateCache holds systemd's answers for units that have not changed since. The caller listens for changes and calls forget;
// without a listener no answer may be used twice. Its methods may be called from several goroutines; the zero value is empty.
type stateCache struct {
	mu     sync.Mutex
	states map[string]units.State
	// changes counts calls of forget: an answer from before a change must not be stored.
	changes int
}

// forget forgets a unit that changed; "" may be any.
func (k *stateCache) forget(unit string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changes++
	if unit == "" {
		k.states = nil
	}
	delete(k.states, unit)
}

// get returns the stored state of a unit, or calls ask and stores the answer.
func (k *stateCache) get(unit string, isCurrent func(units.State) bool, ask func() (units.State, error)) (units.State, error) {
	k.mu.Lock()
	state, ok := k.states[unit]
	before := k.changes
	k.mu.Unlock()
	if ok && isCurrent(state) {
		return state, nil
	}
	state, err := ask()
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil && k.changes == before {
		if k.states == nil {
			k.states = map[string]units.State{}
		}
		k.states[unit] = state
	}
	return state, err
}

// retain forgets all units but the given ones.
func (k *stateCache) retain(files map[string]units.Own) {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.states, func(unit string, _ units.State) bool {
		_, exists := files[unit]
		return !exists
	})
}

// statesAtOnce is how many units systemd is asked for at once: while it tells of one, others are read.
const statesAtOnce = 8

// statesOf returns systemd's states of the workloads, without slices, which do nothing by themselves.
func (n *Node) statesOf(ctx context.Context, workloads map[string]reconcile.ActualWorkload) (map[string]units.State, error) {
	var mu sync.Mutex
	states := map[string]units.State{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(statesAtOnce)
	for unit, workload := range workloads {
		if names.IsSlice(unit) {
			continue
		}
		group.Go(func() error {
			state, err := n.known.get(unit, isAs(unit, workload), func() (units.State, error) { return n.stateOf(ctx, unit, workload) })
			mu.Lock()
			defer mu.Unlock()
			states[unit] = whileItWaits(unit, state, time.Now())
			return err
		})
	}
	return states, group.Wait()
}

// isAs reports of a state that is known whether the unit was observed in it.
func isAs(unit string, observed reconcile.ActualWorkload) func(units.State) bool {
	return func(known units.State) bool {
		known = whileItWaits(unit, known, time.Now())
		return known.ActiveState == observed.Active && known.SubState == observed.Sub
	}
}

// stateOf returns the reported state of a unit. A unit that is up, or was never started, as most are, needs fewer properties than
// others.
func (n *Node) stateOf(ctx context.Context, unit string, workload reconcile.ActualWorkload) (units.State, error) {
	switch workload.Active {
	case names.Active:
		if state, err := n.Systemd.Running(ctx, unit); err != nil || state.ActiveState == workload.Active {
			return state, err
		}
	case names.Inactive:
		if started, err := n.Systemd.HasStarted(ctx, unit); err != nil || !started && workload.Sub == names.Dead {
			return units.State{LoadState: "loaded", ActiveState: workload.Active, SubState: workload.Sub, Result: "success"}, err
		}
	}
	return n.Systemd.State(ctx, unit)
}

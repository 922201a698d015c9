package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/davit-project/davit/agent/health"
	"github.com/davit-project/davit/reconcile"
)

// Apply brings the node to the state of the manifests, in as many passes as that takes. With wait it returns when every object
// has a verdict: its version is confirmed, or does not work. Without, it returns when every possible action has begun: images are
// pulled, removed units have stopped, and systemd continues the starts. An agent may make passes at the same time and reaches the
// same verdicts. While Apply waits for another davit, it calls waiting with the name of that one.
func (n *Node) Apply(ctx context.Context, pass Pass, wait bool, waiting func(holder string)) (Result, error) {
	r := newReconciler(n, wait || health.Watched())
	wake := make(chan struct{}, 1)
	n.cleanUps.changed = func() { poke(wake) }
	n.repairs.changed = func() { poke(wake) }
	r.again = true
	for watching := false; ; {
		result, err := r.lockedPass(ctx, pass, waiting)
		if err != nil || r.settled(result, wait) {
			return result, err
		}
		if !watching { // most of the time there is nothing to do, and nothing to hear of
			if err := r.watch(ctx, wake); err != nil {
				return result, err
			}
			watching = true
			continue // no events were received for changes since the pass
		}
		if err := r.sleep(ctx, wake); err != nil {
			return result, r.explain(err, result)
		}
	}
}

// watch has changes of units call for passes, until the context ends. systemd cuts the connection when it
// executes itself again.
func (r *reconciler) watch(ctx context.Context, wake chan<- struct{}) error {
	changes, err := r.node.Systemd.Watch(ctx)
	if err != nil {
		return err
	}
	go func() {
		for ctx.Err() == nil {
			for unit := range changes {
				r.heardOf(unit, wake)
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(rewatch):
			}
			if again, err := r.node.Systemd.Watch(ctx); err == nil {
				changes = again
			}
			r.heardOf("", wake) // changes were missed
		}
	}()
	return nil
}

// rewatch is how long a systemd is waited for that is gone.
const rewatch = 200 * time.Millisecond

// heardOf notes that a unit has changed; "" may be any.
func (r *reconciler) heardOf(unit string, wake chan<- struct{}) {
	r.node.known.forget(unit)
	if r.Awaits(unit) {
		poke(wake)
	}
}

func poke(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// lockedPass makes a pass while no other davit makes one.
func (r *reconciler) lockedPass(ctx context.Context, pass Pass, waiting func(holder string)) (Result, error) {
	unlock, _, err := Lock(ctx, waiting)
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	return r.Pass(ctx, pass)
}

// settled reports whether nothing is left to wait for.
func (r *reconciler) settled(result Result, wait bool) bool {
	if result.acted || result.plan.PruneLater || r.fetching || r.node.fetcher.Pending() || isAsked(result) {
		return false
	}
	return r.ended(result, wait)
}

// ended reports whether all that was begun has ended. A version that failed has ended although systemd goes on with its
// start; another process may have recorded that it failed.
func (r *reconciler) ended(result Result, wait bool) bool {
	failed := result.view.failed()
	for _, flight := range r.flights {
		action := flight.action
		isLeft := action.Verb == reconcile.Repair && !r.watched // no agent takes over
		if action.Verb == reconcile.Stop || isLeft || wait && (action.IsFetch() || failed[action.Object] == "") {
			return false
		}
	}
	for _, err := range r.pending {
		left := wait || !r.watched // no agent takes over
		if waiting, ok := errors.AsType[reconcile.Waiting](err); ok && !waiting.Blocked && left {
			return false
		}
	}
	for _, verdict := range result.Changing {
		if wait && !verdict.Idle {
			return false
		}
	}
	return true
}

// isAsked reports whether registries are asked about images, or will be asked again.
func isAsked(result Result) bool {
	return slices.ContainsFunc(result.Desired.Problems, func(problem reconcile.Problem) bool {
		return errors.As(problem.Err, new(reconcile.Waiting)) || errors.As(problem.Err, new(reconcile.Retry))
	})
}

// sleep waits for something that calls for a pass.
func (r *reconciler) sleep(ctx context.Context, wake <-chan struct{}) error {
	var due <-chan time.Time
	if at := r.Due(); !at.IsZero() {
		due = time.After(time.Until(at))
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-due:
		return nil
	case <-wake:
	case <-r.node.fetcher.Changes():
	}
	// One look covers changes that come together.
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(passPause):
		return nil
	}
}

// explain adds the missing condition to the error of a wait.
func (r *reconciler) explain(err error, result Result) error {
	next := upcomingOf(result, r)
	for _, object := range slices.Sorted(maps.Keys(next.Objects)) {
		return fmt.Errorf("%s: %s: %w", object, next.Objects[object].For, err)
	}
	return err
}

// Unsettled are the objects whose change cannot go on: their units are down, and nothing starts them.
func (r Result) Unsettled() []Failure {
	var failures []Failure
	held, waits := map[string]bool{}, map[string]string{}
	for _, h := range r.plan.Held {
		held[h.Object] = held[h.Object] || h.Intended
		waits[h.Object] = cmp.Or(waits[h.Object], h.Reason)
	}
	for _, action := range r.plan.Actions {
		waits[action.Object] = cmp.Or(waits[action.Object], action.Waits)
	}
	for _, failure := range slices.Concat(r.Impossible, r.Failures) {
		held[failure.Object] = true // it has its reason
	}
	for _, object := range slices.Sorted(maps.Keys(r.Changing)) {
		if verdict := r.Changing[object]; verdict.Idle && !held[object] {
			failures = append(failures, Failure{object, cmp.Or(waits[object], verdict.Unit+": "+verdict.Reason)})
		}
	}
	return failures
}

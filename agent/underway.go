package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/units"
)

// flight is an action that was begun and has not ended: a start, a restart, a reload or a stop of a unit,
// a pull or a release of an image.
type flight struct{ action reconcile.Action }

// underway describes the first of some actions.
func underway(flights map[string]flight) string {
	first := slices.Min(slices.Collect(maps.Keys(flights)))
	action := flights[first].action
	return fmt.Sprintf("%s: %s of %s is under way", action.Object, action.Verb, first)
}

// note records an event of an action that continues, or is to be retried.
func (r *reconciler) note(event reconcile.Event) {
	action := event.Action
	if action.RunsOn() {
		r.node.known.forget(action.Target) // systemd's signal may come later than the next look
	}
	retried := errors.As(event.Err, new(reconcile.Retry))
	waiting, _ := errors.AsType[reconcile.Waiting](event.Err)
	isFetching := action.IsFetch() && event.Status == reconcile.Pending && !waiting.Blocked // the next try may be far off
	if isFetching || action.IsFetch() && event.Status == reconcile.Failed && retried {
		r.fetching = true
	}
	switch event.Status {
	case reconcile.Begun:
		if action.RunsOn() {
			r.flights[action.Target] = flight{action}
		}
	case reconcile.Pending:
		_, begun := r.flights[action.Target]
		starting := begun && action.Verb != reconcile.Stop && !action.IsFetch() // systemd is at it: nothing waits
		if r.pending[action.Object] == nil && !starting {
			r.pending[action.Object] = event.Err
		}
		if _, restarted := r.flights[action.With]; restarted || isFetching {
			r.flights[action.Target] = flight{action}
		}
	case reconcile.Done:
		delete(r.flights, action.Target)
		delete(r.retries, action.ID)
	case reconcile.Skipped:
		if retried {
			r.pending[action.Object] = event.Err
		}
	case reconcile.Failed:
		delete(r.flights, action.Target)
		if !retried { // those that are have their own time
			r.retries.failed(action.ID, time.Now(), event.Err)
		}
	}
}

// land reports the flights that have ended by now.
func (r *reconciler) land(ctx context.Context, v *view, pass Pass) {
	for _, unit := range slices.Sorted(maps.Keys(r.flights)) {
		action := r.flights[unit].action
		switch ended, err := diff.Ended(action, v.desired, v.actual); {
		case !ended:
		case err != nil && action.With != "":
			delete(r.flights, unit) // systemd did not start it along: a plan does
		case err == nil:
			delete(r.flights, unit)
			delete(r.retries, action.ID)
			pass.Observe(reconcile.Event{Action: action, Status: reconcile.Done})
		default:
			delete(r.flights, unit)
			if !errors.Is(err, units.ErrDependency) { // the action that it waits for has its own time
				r.retries.failed(action.ID, time.Now(), err)
			}
			err = fmt.Errorf("%s %s: %w", action.Verb, action.Subject(), r.node.withCause(ctx, v, unit, err))
			pass.Observe(reconcile.Event{Action: action, Status: reconcile.Failed, Err: err})
		}
	}
}

// dropRepairs forgets repairs that are not planned any more: the object is suspended, or drift is only reported.
func (r *reconciler) dropRepairs(plan reconcile.Plan) {
	maps.DeleteFunc(r.flights, func(_ string, f flight) bool {
		isPlanned := func(action reconcile.Action) bool { return action.ID == f.action.ID }
		return f.action.Verb == reconcile.Repair && !slices.ContainsFunc(plan.Actions, isPlanned)
	})
}

// crash reports that the flights of an object came to nothing.
func (r *reconciler) crash(object string, reason error, pass Pass) {
	for _, unit := range slices.Sorted(maps.Keys(r.flights)) {
		action := r.flights[unit].action
		if action.Object != object || action.Verb == reconcile.Stop || action.IsFetch() {
			continue
		}
		delete(r.flights, unit)
		err := fmt.Errorf("%s %s: %w", action.Verb, action.Subject(), reason)
		pass.Observe(reconcile.Event{Action: action, Status: reconcile.Failed, Err: err})
	}
}

// retries are the actions that failed, by id.
type retries map[string]retry

// retry says when an action that failed is tried again.
type retry struct {
	failures int
	at       time.Time
}

// failed notes that an action failed, and how.
func (r retries) failed(id string, now time.Time, err error) {
	failures := r[id].failures + 1
	r[id] = retry{failures, now.Add(retryWait(failures-1, err))}
}

// delay has the actions wait whose next try is not due, and the starts of units that cannot be without
// those: systemd would start both.
func (r retries) delay(plan reconcile.Plan, desired reconcile.Desired, now time.Time) reconcile.Plan {
	if len(r) == 0 {
		return plan
	}
	plan.Actions = slices.Clone(plan.Actions)
	delayed := map[string]bool{} // units
	for i := range plan.Actions {
		action := &plan.Actions[i]
		if retry, failed := r[action.ID]; failed && action.Waits == "" && retry.at.After(now) {
			action.Waits, action.Blocked = "the next try is due at "+retry.at.Format(time.TimeOnly), true
			delayed[action.Target] = true
		}
	}
	for again := len(delayed) > 0; again; {
		again = false
		for i := range plan.Actions {
			action := &plan.Actions[i]
			needed := slices.IndexFunc(desired.Workload(action.Target).Needs(), func(unit string) bool { return delayed[unit] })
			if needed < 0 || !action.RunsOn() || action.Verb == reconcile.Stop || action.Waits != "" {
				continue
			}
			action.Waits, action.Blocked = "waits for "+desired.Workload(action.Target).Needs()[needed]+", which is tried again later", true
			delayed[action.Target], again = true, true
		}
	}
	return plan
}

// next returns the time of the first retry of a plan's actions; zero for none. It drops actions that are not planned any more.
func (r retries) next(plan reconcile.Plan) time.Time {
	planned := map[string]bool{}
	var at time.Time
	for _, action := range plan.Actions {
		planned[action.ID] = true
		if retry, failed := r[action.ID]; failed && (at.IsZero() || retry.at.Before(at)) {
			at = retry.at
		}
	}
	maps.DeleteFunc(r, func(id string, _ retry) bool { return !planned[id] })
	return at
}

package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/davit-project/davit/agent/watch"
	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/reconcile"
)

func (a *Agent) notePlan(plan reconcile.Plan) {
	for _, held := range plan.Held {
		if held.By != reconcile.ByProblem { // notePass logs those
			a.once("held back", "object", held.Object, "reason", held.Reason)
		}
	}
}

// notePass logs the result of a pass, and stores its view.
func (a *Agent) notePass(ctx context.Context, tree watch.Tree, set *manifests.Set, guard Guard, result Result, err error, changed, settled bool) {
	for message, warning := range map[string]error{
		"a part of the history cannot be read and is left out": result.Warning,
		"the node cannot be tidied up":                         result.Housekeeping,
		"cannot check running containers":                      a.node.unchecked,
		"pass did not succeed":                                 err,
	} {
		if warning != nil {
			a.once(message, "error", warning)
		}
	}
	for _, problem := range result.Desired.Problems {
		// For an answer of a registry every change waits for a moment, and its text changes by the second.
		if !errors.As(problem.Err, new(reconcile.Waiting)) {
			a.once("held back", "object", problem.Ref.String(), "reason", problem.Err.Error())
		}
	}
	for _, failure := range result.Broken {
		a.log.Error("a change did not work", "object", failure.Object, "reason", failure.Reason)
	}
	if result.view != nil { // otherwise the units that changed are for the next pass
		if err := a.node.resetRestarts(ctx, &a.changes, result.Actual, time.Now()); err != nil {
			a.once("cannot reset the restart counters of containers", "error", err)
		}
	}
	a.logRepairs()
	fresh := tree.Fingerprint != a.seen
	if fresh || changed {
		a.log.Info("pass ended", "actions", len(result.plan.Actions), "unchanged", result.plan.Unchanged, "held", len(result.plan.Held))
		a.seen = tree.Fingerprint
	}
	if result.view != nil {
		a.noteUnrecorded(ctx, result.Actual)
	}
	a.noteView(set, guard, result.view)
	if fresh || changed || len(result.plan.Held) > 0 || err != nil || a.unwell || isContested(result.Actual) {
		a.tellAfterPass(settled)
	}
	a.noteUpcoming(result)
	a.summarize(result, set, err)
}

// isContested reports whether a program of the node listens on a port that a unit publishes: no event reports when it begins.
func isContested(actual reconcile.Actual) bool {
	for _, workload := range actual.Workloads {
		if workload.Contested != "" {
			return true
		}
	}
	return false
}

// noteUpcoming stores the awaited events of objects for davit status.
func (a *Agent) noteUpcoming(result Result) {
	next := upcomingOf(result, a.reconciler)
	if reflect.DeepEqual(next, a.upcoming) {
		return
	}
	a.upcoming = next
	if err := next.write(); err != nil {
		a.once("cannot report the objects that wait", "error", err)
	}
}

func (a *Agent) summarize(result Result, set *manifests.Set, err error) {
	a.status.passed()
	failed := slices.Concat(result.Impossible, result.Failures)
	switch held := result.plan.Held; {
	case err != nil:
		a.status.say("%d objects, the last pass did not succeed: %v", len(set.Objects), err)
	case len(failed) > 0:
		a.status.say("%d objects, %s: %s", len(set.Objects), failed[0].Object, failed[0].Reason)
	case len(a.upcoming.Objects) > 0:
		object := slices.Sorted(maps.Keys(a.upcoming.Objects))[0]
		a.status.say("%d objects, %d are changing, %s: %s", len(set.Objects), len(a.upcoming.Objects), object, a.upcoming.Objects[object].For)
	case len(held) > 0:
		a.status.say("%d objects, %s: %s", len(set.Objects), held[0].Object, held[0].Reason)
	case len(a.reconciler.flights) > 0:
		a.status.say("%d objects, %s", len(set.Objects), underway(a.reconciler.flights))
	default:
		a.status.say("%d objects as they should be, seen at %s in %s", len(set.Objects),
			a.began.Format(time.TimeOnly), time.Since(a.began).Round(time.Millisecond))
	}
}

func (a *Agent) logEvent(event reconcile.Event) {
	a.status.Beat()
	if event.Action.Target != "" {
		a.node.known.forget(event.Action.Target) // sooner than systemd's signal is heard
	}
	attributes := []any{"action", event.Action.Verb, "object", event.Action.Subject(), "reason", event.Action.Reason}
	switch event.Status {
	case reconcile.Done:
		if event.Action.Verb == reconcile.Repair {
			a.repaired = append(a.repaired, event.Action)
			return
		}
		a.log.Info("done", attributes...)
	case reconcile.Failed:
		a.onceAt(slog.LevelError, "failed", append(attributes, "error", event.Err)...)
	case reconcile.Skipped:
		a.onceAt(slog.LevelWarn, "skipped", append(attributes, "error", event.Err)...)
	}
}

// fewRepairs are repairs of one pass that have a line each. More have one together: a firewall that is loaded again
// concerns all containers of the node.
const fewRepairs = 3

func (a *Agent) logRepairs() {
	switch repaired := a.repaired; {
	case len(repaired) > fewRepairs:
		a.log.Info("done", "action", reconcile.Repair, "objects", len(repaired), "first", repaired[0].Subject(), "reason", repaired[0].Reason)
	default:
		for _, action := range repaired {
			a.log.Info("done", "action", action.Verb, "object", action.Subject(), "reason", action.Reason)
		}
	}
	a.repaired = nil
}

// once logs a line that a loop would repeat only the first time, until all is well again.
func (a *Agent) once(message string, attributes ...any) {
	a.onceAt(slog.LevelWarn, message, attributes...)
}

func (a *Agent) onceAt(level slog.Level, message string, attributes ...any) {
	key := fmt.Sprint(message, attributes)
	if !a.logged[key] {
		a.logged[key] = true
		a.log.Log(context.Background(), level, message, attributes...)
	}
}

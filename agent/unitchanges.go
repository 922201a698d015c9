package agent

import (
	"context"
	"slices"
	"time"

	"github.com/davit-project/davit/manifests"
)

// noteView stores the view of a pass, so that later changes of its workloads can be reported.
func (a *Agent) noteView(set *manifests.Set, guard Guard, seen *view) {
	if seen == nil {
		return // it did not come so far
	}
	a.set, a.guard, a.view = set, guard, seen
	a.workloads.Store(&seen.desired.Workloads)
	a.growth.note(len(seen.actual.Workloads))
}

// tellAfterPass tells at once, unless a directory that has only just changed may make things look
// otherwise soon.
func (a *Agent) tellAfterPass(settled bool) {
	a.tellAt = time.Now()
	if !settled {
		a.tellAt = a.tellAt.Add(tellPause)
	}
}

// unitChanged hears of services that changed; "" is any. It may be called from anywhere.
func (a *Agent) unitChanged(unit string) {
	a.changes.note(unit)
	a.node.known.forget(unit)
	workloads := a.workloads.Load()
	if workloads == nil {
		return
	}
	if a.reconciler.Awaits(unit) {
		a.again.Store(true)
	} else if _, own := (*workloads)[unit]; !own && unit != "" {
		return
	}
	a.units.Store(true)
	a.wakeLoop()
}

// tellLater has the agent look at changed units once they have settled, but not too often.
func (a *Agent) tellLater() {
	if !a.tellAt.IsZero() {
		return
	}
	a.tellAt = time.Now().Add(time.Second)
	if paused := a.toldAt.Add(tellPause); a.tellAt.Before(paused) {
		a.tellAt = paused
	}
}

// tellWhenDue logs the changes of workloads when it is time to.
func (a *Agent) tellWhenDue(ctx context.Context) {
	if a.view == nil || a.tellAt.IsZero() || time.Now().Before(a.tellAt) {
		return
	}
	a.tellAt, a.toldAt, a.worked = time.Time{}, time.Now(), true
	report, err := a.node.lookAgain(ctx, a.set, a.guard, a.view)
	if a.node.damage.isNews() { // no look after this one would find that it has changed
		a.again.Store(true)
	}
	a.unwell = slices.ContainsFunc(report.Objects, func(row ObjectReport) bool { return len(row.Causes) > 0 })
	if err == nil {
		err = logChanges(a.log, report.Objects)
	}
	if err != nil && ctx.Err() == nil {
		a.once("cannot report workload status", "error", err)
		return
	}
	if err := a.node.cleanUpStopped(ctx, a.view.actual); err != nil && ctx.Err() == nil {
		a.once("cannot clean up after a container", "error", err)
	}
	a.restartBlocked(ctx)
}

// restartBlocked restarts containers whose program cannot begin any more.
func (a *Agent) restartBlocked(ctx context.Context) {
	restarted, fresh, err := a.node.restartBlocked(ctx, a.view.actual)
	for _, unit := range restarted {
		a.log.Warn("a container is blocked because its launcher was killed: the agent restarts it", "unit", unit)
	}
	if err != nil && ctx.Err() == nil {
		a.once("cannot check all containers for a killed launcher", "error", err)
	}
	if fresh {
		a.tellLater()
	}
}

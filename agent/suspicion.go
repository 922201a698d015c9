package agent

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/davit-project/davit/agent/drift"
)

// Bounds of the time between an event and the check after it: one check covers events that come together, and a node on which
// containers start and stop all the time is not kept busy by checks.
const (
	suspicionPause = 150 * time.Millisecond
	suspicionShare = 10 // times as long as the last look took lie before the next one,
	suspicionMost  = 2 * time.Second
	suspicionLeast = 3 // but at most that long, or as many times as the last look took
	unheardPause   = 10 * time.Minute
)

// suspicion holds events that may not come from davit's own changes, and that were not checked yet.
type suspicion struct {
	state, running atomic.Int64 // when it was heard first, in nanoseconds since 1970; 0 for not
	looked         time.Time    // end of the last check of running containers
	took           time.Duration
	asked          bool // the next pass follows an event of something that every pass checks
	passes         backoff
}

// backoff is a distance that grows while passes after events find nothing to do: containers can cause them, by changes of their
// volumes' directories.
type backoff struct {
	last     time.Time
	distance time.Duration
}

// idleMost bounds the distance of passes that find nothing to do. A pass takes a second at most on a busy node.
const idleMost = 30 * time.Second

// idle notes a pass that has found nothing to do.
func (b *backoff) idle(now time.Time) {
	if now.Sub(b.last) > 2*idleMost {
		b.distance = 0
	}
	b.last, b.distance = now, min(max(2*b.distance, suspicionPause), idleMost)
}

// changed hears of a change. It may be called from anywhere.
func (a *Agent) changed(change drift.Change) {
	heard := &a.suspicion.state
	if change == drift.Running {
		a.node.damage.suspect()
		heard = &a.suspicion.running
	}
	if heard.CompareAndSwap(0, time.Now().UnixNano()) {
		a.wakeLoop()
	}
}

// dueState and dueRunning are the times of the checks after events; zero for none.
func (s *suspicion) dueState() time.Time {
	return dueAfter(s.state.Load(), s.passes.last.Add(s.passes.distance))
}

func (s *suspicion) dueRunning() time.Time {
	return dueAfter(s.running.Load(), s.looked.Add(min(suspicionShare*s.took, max(suspicionMost, suspicionLeast*s.took))))
}

// dueAfter is a moment after something was heard, and not before another time; zero for nothing heard.
func dueAfter(heard int64, notBefore time.Time) time.Time {
	if heard == 0 {
		return time.Time{}
	}
	due := time.Unix(0, heard).Add(suspicionPause)
	if due.Before(notBefore) {
		return notBefore
	}
	return due
}

// passed notes a pass, and whether it has found something to do.
func (s *suspicion) passed(worked bool) {
	switch {
	case worked:
		s.passes = backoff{}
	case s.asked:
		s.passes.idle(time.Now())
	}
	s.asked = false
}

// lookIntoSuspicion checks after events when it is time to: a pass follows if something has changed.
func (a *Agent) lookIntoSuspicion() {
	now := time.Now()
	isDue := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
	if isDue(a.suspicion.dueState()) {
		a.suspicion.state.Store(0)
		a.suspicion.asked = true
		a.again.Store(true)
	}
	if !isDue(a.suspicion.dueRunning()) {
		return
	}
	a.suspicion.running.Store(0)
	if a.view == nil {
		return // the first pass looks
	}
	a.worked = true
	seen := a.node.damage.look(a.view.actual.Workloads)
	a.suspicion.looked, a.suspicion.took = time.Now(), time.Since(now)
	if seen.err != nil {
		a.once("cannot check running containers", "error", seen.err)
	}
	if a.node.damage.isNews() {
		a.again.Store(true)
	}
}

// lookForDamage checks running containers once in a while even without events: the kernel may lack room for a watch, and some
// settings change without an event.
func (a *Agent) lookForDamage() {
	if time.Since(a.suspicion.looked) > unheardPause {
		a.node.damage.suspect()
		a.suspicion.looked = time.Now()
	}
}

// hearing is one attempt to hear of changes.
type hearing struct {
	listener *drift.Listener
	ended    chan struct{} // closed once nothing is heard
	err      error         // why; to be read then
}

// listen has changes heard of from now on, until the context ends.
func (a *Agent) listen(ctx context.Context) {
	h := &hearing{ended: make(chan struct{})}
	a.hearing = h
	if h.listener, h.err = drift.NewListener(unitDirs, a.changed); h.err != nil {
		close(h.ended)
		return
	}
	go func() {
		defer close(h.ended)
		h.err = h.listener.Run(ctx)
	}()
}

// isDeaf reports whether nothing is heard, and why.
func (h *hearing) isDeaf() (bool, error) {
	select {
	case <-h.ended:
		return true, h.err
	default:
		return false, nil
	}
}

// listenAgain tries to listen again if nothing is heard.
func (a *Agent) listenAgain(ctx context.Context) {
	deaf, err := a.hearing.isDeaf()
	if !deaf {
		return
	}
	a.node.damage.suspect()
	if err != nil && err.Error() != a.deaf {
		a.deaf = err.Error() // as long as that is why, it is logged once
		a.log.Warn("cannot listen to changes by other programs: each resync checks for them", "error", err)
	}
	a.listen(ctx)
}

// arm watches directories that have come.
func (a *Agent) arm() {
	if deaf, _ := a.hearing.isDeaf(); deaf {
		return
	}
	if err := a.hearing.listener.Arm(); err != nil {
		a.once("cannot listen to some changes by other programs: each resync checks for them", "error", err)
	}
}

package agent

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/davit-project/davit/agent/drift"
)

// Bounds of what lies between something that goes and the look at it: what goes together is seen together, and a node on
// which containers start and stop all the time is not busy with nothing else.
const (
	suspicionPause = 150 * time.Millisecond
	suspicionShare = 10 // times as long as the last look took lie before the next one, at most
	suspicionMost  = 2 * time.Second
	unheardPause   = 10 * time.Minute
)

// suspicion is what was heard of changes that may not be davit's own, and was not looked at yet.
type suspicion struct {
	state, running atomic.Int64 // when it was heard first, in nanoseconds since 1970; 0 for not
	looked         time.Time    // when the last look at what runs ended
	took           time.Duration
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

// dueState and dueRunning are when to look at what was heard; zero for nothing.
func (s *suspicion) dueState() time.Time { return dueAfter(s.state.Load(), time.Time{}) }

func (s *suspicion) dueRunning() time.Time {
	return dueAfter(s.running.Load(), s.looked.Add(min(suspicionShare*s.took, suspicionMost)))
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

// passes forgets what was heard until now of what every pass looks for.
func (s *suspicion) passes() { s.state.Store(0) }

// lookIntoSuspicion looks at what was heard of when it is time to: a pass follows if something has changed.
func (a *Agent) lookIntoSuspicion() {
	now := time.Now()
	isDue := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
	if isDue(a.suspicion.dueState()) {
		a.suspicion.state.Store(0)
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
	_, changed, err := a.node.damage.look(a.view.actual.Workloads)
	a.suspicion.looked, a.suspicion.took = time.Now(), time.Since(now)
	if err != nil {
		a.once("cannot check what running containers have", "error", err)
	}
	if changed {
		a.again.Store(true)
	}
}

// lookForDamage has what runs looked at once in a while even if nothing was heard: some settings of the kernel change
// without a word, and a listener may have failed.
func (a *Agent) lookForDamage() {
	if time.Since(a.suspicion.looked) > unheardPause {
		a.node.damage.suspect()
		a.suspicion.looked = time.Now()
	}
}

// listen has changes heard of, until the context ends.
func (a *Agent) listen(ctx context.Context) (ended <-chan struct{}) {
	listener, err := drift.NewListener(unitDirs, a.changed)
	if err != nil {
		a.once("changes that others make are seen only once a minute", "error", err)
		done := make(chan struct{})
		close(done)
		return done
	}
	a.listener = listener
	return inBackground(func() {
		if err := listener.Run(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("changes that others make are seen only once a minute", "error", err)
		}
	})
}

// arm watches directories that have come.
func (a *Agent) arm() {
	if a.listener == nil {
		return
	}
	if err := a.listener.Arm(); err != nil {
		a.once("some changes that others make are seen only once a minute", "error", err)
	}
}

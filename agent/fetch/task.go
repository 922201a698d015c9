package fetch

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/images"
	"github.com/davit-project/davit/reconcile"
)

// task is something that is tried until it succeeds. Its Fetcher's lock guards it. While it waits for its
// next try it is a timer, not a goroutine: a registry that is down may have a thousand of them.
type task struct {
	// try runs without the lock. It returns the use of the result, with the lock.
	try func(ctx context.Context) (take func(), err error)
	// again is called at the time of the next try.
	again func()

	stop  context.CancelFunc // nil unless a try is under way
	began time.Time          // that try
	tries int                // that failed in a row
	err   error              // of the last try
	final bool               // it is not tried again
	next  time.Time          // the time of the next try; zero unless the last one failed
	timer *time.Timer
	gone  bool // dropped: the result is of no use
}

func (t *task) isRunning() bool { return t.stop != nil }

// isWaiting reports whether the task failed and is tried again.
func (t *task) isWaiting() bool { return !t.isRunning() && t.err != nil && !t.final && !t.gone }

// failure is what to answer after a try that failed.
func (t *task) failure() error {
	if t.err == nil || t.final {
		return t.err
	}
	return reconcile.Retry{Err: t.err, At: t.next}
}

// tasks are all of them.
func (f *Fetcher) tasks() iter.Seq[*task] {
	return func(yield func(*task) bool) {
		for _, r := range f.resolutions {
			if !yield(&r.task) {
				return
			}
		}
		for _, p := range f.pulls {
			if !yield(&p.task) {
				return
			}
		}
		for _, r := range f.removals {
			if !yield(&r.task) {
				return
			}
		}
		for _, m := range f.sizes {
			if !yield(&m.task) {
				return
			}
		}
	}
}

// begin tries a task in the background.
func (f *Fetcher) begin(t *task) {
	if f.closed {
		t.err, t.final = context.Canceled, true
		return
	}
	ctx, cancel := context.WithCancel(f.ctx)
	t.stop, t.began = cancel, time.Now()
	f.running.Go(func() {
		defer cancel()
		take, err := t.try(ctx)
		f.mu.Lock()
		defer f.mu.Unlock()
		t.stop = nil
		if !t.gone {
			f.end(t, take, err)
		}
		f.move()
	})
}

// end takes the result of a try.
func (f *Fetcher) end(t *task, take func(), err error) {
	if err == nil {
		take() // sees the failure before, if there was one
		t.tries, t.err, t.next = 0, nil, time.Time{}
		return
	}
	t.tries++
	t.err = err
	f.changed()
	if f.options.Tries > 0 && (t.tries >= f.options.Tries || !images.IsPassing(err)) {
		t.final = true
		return
	}
	wait := f.wait(t.tries, err)
	t.next = time.Now().Add(wait)
	t.timer = time.AfterFunc(wait, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if !t.gone && !t.isRunning() {
			t.again()
		}
	})
}

// wait is the time to the next try after so many that failed, and at least the wait that a registry asks for. A pull that
// waits for room asks no registry for its layers before there is some.
func (f *Fetcher) wait(tries int, err error) time.Duration {
	wait := min(f.options.FirstRetry<<min(tries-1, 20), f.options.LastRetry)
	if disk.IsUnwritable(err) {
		wait = min(wait, disk.RoomRetry)
	}
	wait = wait/2 + rand.N(wait)
	if limited, ok := errors.AsType[images.Limited](err); ok {
		wait = max(wait, time.Until(limited.Until))
	}
	return wait
}

// drop cancels a task; whoever holds it forgets it.
func (f *Fetcher) drop(t *task) {
	t.gone = true
	if t.stop != nil {
		t.stop()
	}
	if t.timer != nil {
		t.timer.Stop()
	}
}

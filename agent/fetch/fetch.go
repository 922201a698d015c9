// Package fetch resolves, pulls and releases images beside the passes that want them.
//
// A pass of the agent never waits for a registry, nor for the storage, whose locks another program may hold
// for long. It asks a [Fetcher], which answers at once: with the result, with the state of the task
// ([reconcile.Waiting]), or with the error and the time of the next try ([reconcile.Retry]). The work itself
// is a task in the background. When a task has a result, [Fetcher.Changes] wakes the loop, whose
// next pass asks again.
//
// A Fetcher outlives passes and is the only user of registries. It knows when to ask, how often, and for
// whom; package images knows how an image is fetched, and the meaning of a failure.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/davit-project/davit/agent/images"
	"github.com/davit-project/davit/reconcile"
)

// Store has the operations of a Fetcher; [images.Store] implements it.
type Store interface {
	// Known answers requests from davit's records alone, and leaves out those for which they are not
	// enough. It returns the same map as long as the answer is the same.
	Known(requests []reconcile.ImageRequest) map[reconcile.ImageRequest]reconcile.Image
	// Resolve tries once, which may take long.
	Resolve(ctx context.Context, request reconcile.ImageRequest) (reconcile.Image, error)
	// Has reports from davit's records alone whether there is nothing to pull.
	Has(image reconcile.Image) bool
	// EnsureImage tries once, which may take long. It calls progress meanwhile.
	EnsureImage(ctx context.Context, image reconcile.Image, progress func(images.Progress)) error
	ReleaseImage(ctx context.Context, imageID string) error
	DeleteImage(ctx context.Context, imageID string) error
	// Layers are the sizes of an image's layers in bytes; nil for an image that is not on the node.
	Layers(imageID string) (map[string]int64, error)
}

// Options are how patient a Fetcher is. The zero value is the agent's.
type Options struct {
	// Tries is how often a task is tried before its failure is final, and a failure that does not pass
	// by itself is final at once; 0 tries for ever.
	Tries int
	// FirstRetry is the time before the first retry, which doubles from there to LastRetry, give or take
	// a half; 0 means 2 s and 5 min.
	FirstRetry, LastRetry time.Duration
	// Patience is how long [Fetcher.Settle] and [Fetcher.Await] wait; 0 means as long as it takes.
	Patience time.Duration
	// Progress is called while images are pulled, from several goroutines; it may be nil.
	Progress func(images.Progress)
}

// Bounds of the time to the next try.
const (
	firstRetry = 2 * time.Second
	lastRetry  = 5 * time.Minute
)

// Fetcher runs tasks. Its methods may be called concurrently.
type Fetcher struct {
	store   Store
	options Options
	changes chan struct{}

	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu          sync.Mutex
	closed      bool
	moved       chan struct{} // closed when a task ends, and replaced
	resolutions map[reconcile.ImageRequest]*resolution
	pulls       map[pullKey]*pull
	removals    map[removalKey]*removal
	sizes       map[string]*measurement
	last        answers
}

// New returns a Fetcher. The caller closes it.
func New(store Store, options Options) *Fetcher {
	if options.FirstRetry == 0 {
		options.FirstRetry = firstRetry
	}
	if options.LastRetry == 0 {
		options.LastRetry = lastRetry
	}
	if options.Progress == nil {
		options.Progress = func(images.Progress) {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Fetcher{
		store: store, options: options, ctx: ctx, cancel: cancel,
		changes: make(chan struct{}, 1), moved: make(chan struct{}),
		resolutions: map[reconcile.ImageRequest]*resolution{},
		pulls:       map[pullKey]*pull{},
		removals:    map[removalKey]*removal{},
		sizes:       map[string]*measurement{},
	}
}

// Close cancels all tasks and waits for them. Later requests are not carried out.
func (f *Fetcher) Close() {
	f.mu.Lock()
	f.closed = true
	for t := range f.tasks() {
		f.drop(t)
	}
	f.mu.Unlock()
	f.cancel()
	f.running.Wait()
}

// Changes has a value when a result came, or a task failed, since it was last read. That a transfer goes
// on is no change, and neither is the same answer once more.
func (f *Fetcher) Changes() <-chan struct{} { return f.changes }

// changed wakes the loop.
func (f *Fetcher) changed() {
	f.last.stale = true
	select {
	case f.changes <- struct{}{}:
	default:
	}
}

// Pending reports whether tasks are under way or wait for their next try.
func (f *Fetcher) Pending() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for t := range f.tasks() {
		if t.isRunning() || t.isWaiting() {
			return true
		}
	}
	return false
}

// Transferring reports whether an image is being pulled now.
func (f *Fetcher) Transferring() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.pulls {
		if p.isRunning() {
			return true
		}
	}
	return false
}

// isSettled reports whether there is no answer to wait for: no request is asked for or, if tries are
// limited, will be.
func (f *Fetcher) isSettled() bool {
	for _, r := range f.resolutions {
		if r.isRunning() || f.options.Tries > 0 && r.isWaiting() {
			return false
		}
	}
	return true
}

// move has those who wait look again.
func (f *Fetcher) move() {
	close(f.moved)
	f.moved = make(chan struct{})
}

// Settle waits until all requests have their answers, or the patience or the context is at its end. It is
// for commands that ask once; a call of Resolve names the requests without an answer.
func (f *Fetcher) Settle(ctx context.Context) {
	// An error needs no action: the next call reports the state.
	_ = f.Await(ctx, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.isSettled() {
			return nil
		}
		return reconcile.Waiting{For: "answers about images"}
	})
}

// Await calls ask, a method of the Fetcher, until it returns something other than that its task is under
// way or, if tries are limited, tried again; or until the patience or the context is at its end, with an
// error that names the task that it waits for. It is for commands that ask once.
func (f *Fetcher) Await(ctx context.Context, ask func() error) error {
	var impatient <-chan time.Time
	if f.options.Patience > 0 {
		impatient = time.After(f.options.Patience)
	}
	for {
		f.mu.Lock()
		moved := f.moved
		f.mu.Unlock()
		err := ask()
		_, waits := errors.AsType[reconcile.Waiting](err)
		_, retries := errors.AsType[reconcile.Retry](err)
		if !waits && !(retries && f.options.Tries > 0) {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", err, context.Cause(ctx))
		case <-impatient:
			return err
		case <-f.ctx.Done():
			return err
		}
	}
}

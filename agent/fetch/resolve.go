package fetch

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/resolve"
)

// resolution is a request that davit's records do not answer.
type resolution struct {
	task
	request reconcile.ImageRequest
	image   reconcile.Image
	known   bool // image is an answer
	wanted  int  // the last call of Resolve with the request
}

// answers are those of the last call of Resolve. They stand until something changes.
type answers struct {
	call     int
	requests []reconcile.ImageRequest
	known    map[reconcile.ImageRequest]reconcile.Image
	results  map[reconcile.ImageRequest]resolve.ImageResult
	stale    bool
}

// Resolve never waits. It returns the known answer of each request, and has the rest asked for in the
// background; tasks of other requests are cancelled and forgotten. An error is [reconcile.Waiting] while a
// request is asked for the first time, [reconcile.Retry] from a failure until a success, and any other
// where a failure is final.
//
// Neither the requests nor the returned map may be changed: the next call may return the same one.
func (f *Fetcher) Resolve(requests []reconcile.ImageRequest) map[reconcile.ImageRequest]resolve.ImageResult {
	known := f.store.Known(requests)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetDone()
	if f.last.isStill(requests, known) {
		return f.last.results
	}
	now := time.Now()
	last := answers{
		call: f.last.call + 1, requests: requests, known: known,
		results: make(map[reconcile.ImageRequest]resolve.ImageResult, len(requests)),
	}
	for _, request := range requests {
		if image, ok := known[request]; ok {
			last.results[request] = resolve.ImageResult{Image: image}
			continue
		}
		r := f.resolution(request)
		r.wanted = last.call
		last.results[request] = r.result(now)
		last.stale = last.stale || !r.known && r.err == nil // how long it has been waited for changes
	}
	for request, r := range f.resolutions {
		if r.wanted != last.call {
			f.drop(&r.task)
			delete(f.resolutions, request)
		}
	}
	f.last = last
	f.keepWanted()
	return last.results
}

func (a *answers) isStill(requests []reconcile.ImageRequest, known map[reconcile.ImageRequest]reconcile.Image) bool {
	return !a.stale && a.results != nil && slices.Equal(a.requests, requests) &&
		reflect.ValueOf(a.known).Pointer() == reflect.ValueOf(known).Pointer()
}

// resolution returns the task of a request, which begins where there is none.
func (f *Fetcher) resolution(request reconcile.ImageRequest) *resolution {
	if r, ok := f.resolutions[request]; ok {
		return r
	}
	r := &resolution{request: request}
	r.try = func(ctx context.Context) (func(), error) {
		image, err := f.store.Resolve(ctx, request)
		return func() { f.resolved(r, image) }, err
	}
	r.again = func() { f.begin(&r.task) }
	f.resolutions[request] = r
	f.begin(&r.task)
	return r
}

func (f *Fetcher) resolved(r *resolution, image reconcile.Image) {
	if !r.known || r.err != nil || r.image.Image != image.Image {
		f.changed()
	}
	r.image, r.known = image, true
}

// result is the answer that is known now. A failure stands while the request is tried again: the answer has
// not changed, and neither should the text that a person sees.
func (r *resolution) result(now time.Time) resolve.ImageResult {
	switch {
	case r.err != nil:
		return resolve.ImageResult{Err: r.failure()}
	case r.known:
		return resolve.ImageResult{Image: r.image}
	default:
		return resolve.ImageResult{Err: reconcile.Waiting{For: resolveText(r.request, now.Sub(r.began))}}
	}
}

// Refresh has the requests that davit's records do not answer asked again: those that must follow their
// source, and those for images that are yet to be pulled. Until an answer comes, the last one stands. A
// request whose last try failed keeps to the time of its next try.
func (f *Fetcher) Refresh() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.resolutions {
		if r.known && r.err == nil && !r.isRunning() {
			f.begin(&r.task)
		}
	}
	f.forgetMissing()
}

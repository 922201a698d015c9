package fetch

import (
	"context"
	"time"

	"github.com/davit-project/davit/reconcile"
)

// removalKey tells removals apart.
type removalKey struct {
	imageID string
	whole   bool // the image goes too, not only its record and its pin
}

// removal is an image that is released or deleted. It is tried again only if it is still wanted then:
// meanwhile the image may be needed again.
type removal struct {
	task
	done bool
}

// ReleaseImage implements [reconcile.Images], and never waits: see [Fetcher.EnsureImage].
func (f *Fetcher) ReleaseImage(_ context.Context, imageID string) error {
	return f.remove(removalKey{imageID: imageID}, "release of image "+short(imageID), f.store.ReleaseImage)
}

// DeleteImage implements [reconcile.Images], and never waits: see [Fetcher.EnsureImage].
func (f *Fetcher) DeleteImage(_ context.Context, imageID string) error {
	return f.remove(removalKey{imageID, true}, "removal of image "+short(imageID), f.store.DeleteImage)
}

func (f *Fetcher) remove(key removalKey, text string, remove func(context.Context, string) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.removals[key]
	if !ok {
		r = &removal{}
		r.try = func(ctx context.Context) (func(), error) {
			err := remove(ctx, key.imageID)
			return func() { f.removed(r, key.imageID) }, err
		}
		r.again = func() {
			f.changed()
			f.move()
		}
		f.removals[key] = r
		f.begin(&r.task)
	} else if r.isWaiting() && !time.Now().Before(r.next) {
		f.begin(&r.task)
	}
	switch {
	case r.done:
		delete(f.removals, key)
		return nil
	case r.isRunning():
		return reconcile.Waiting{For: text}
	default:
		return r.failure()
	}
}

func (f *Fetcher) removed(r *removal, imageID string) {
	r.done = true
	f.forgetSizes(imageID)
	f.changed()
}

// forgetDone forgets removals that are done: a pass that begins now sees it.
func (f *Fetcher) forgetDone() {
	for key, r := range f.removals {
		if r.done {
			delete(f.removals, key)
		}
	}
}

// keepWanted cancels the removal of images that are wanted again.
func (f *Fetcher) keepWanted() {
	if len(f.removals) == 0 {
		return
	}
	for _, result := range f.last.results {
		f.keep(result.Image.ID)
	}
}

// keep cancels the removal of an image.
func (f *Fetcher) keep(imageID string) {
	for _, key := range []removalKey{{imageID, false}, {imageID, true}} {
		if r, ok := f.removals[key]; ok {
			f.drop(&r.task)
			delete(f.removals, key)
		}
	}
}

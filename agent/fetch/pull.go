package fetch

import (
	"context"
	"fmt"
	"time"

	"github.com/davit-project/davit/agent/images"
	"github.com/davit-project/davit/reconcile"
)

// pullKey tells pulls apart: an image has a name for each platform that it was asked for.
type pullKey struct{ key, platform string }

// pull is an image that is not on the node yet.
type pull struct {
	task
	image    reconcile.Image
	progress images.Progress
}

// EnsureImage implements [reconcile.Images]. It never waits: it returns nil when the image is on the node,
// [reconcile.Waiting] while it is pulled, [reconcile.Retry] after a try that failed.
func (f *Fetcher) EnsureImage(_ context.Context, image reconcile.Image) error {
	key := pullKey{image.Key(), image.Request.Platform}
	f.mu.Lock()
	p := f.pulls[key]
	running := p != nil && p.isRunning()
	f.mu.Unlock()
	has := !running && f.store.Has(image) // another davit process may have pulled it
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keep(image.ID)
	p = f.pulls[key]
	switch {
	case has:
		f.forgetPull(key)
		return nil
	case p == nil:
		p = f.pull(key, image)
	}
	if p.isRunning() {
		return reconcile.Waiting{For: p.text(time.Now())}
	}
	return p.failure()
}

// pull begins to pull an image.
func (f *Fetcher) pull(key pullKey, image reconcile.Image) *pull {
	p := &pull{image: image}
	p.try = func(ctx context.Context) (func(), error) {
		f.note(p, images.Progress{Reference: image.Reference})
		err := f.store.EnsureImage(ctx, image, func(progress images.Progress) {
			f.note(p, progress)
			f.options.Progress(progress)
		})
		if err == nil && !f.store.Has(image) {
			// Otherwise it would be pulled for ever, without a break.
			err = fmt.Errorf("image %s: it is not whole after its pull", image.Reference)
		}
		return func() { f.pulled(key, image) }, err
	}
	p.again = func() { f.begin(&p.task) }
	f.pulls[key] = p
	f.begin(&p.task)
	return p
}

func (f *Fetcher) note(p *pull, progress images.Progress) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p.progress = progress
}

// pulled forgets the task: the store reports that it has the image.
func (f *Fetcher) pulled(key pullKey, image reconcile.Image) {
	delete(f.pulls, key)
	f.forgetSizes(image.ID)
	f.changed()
}

// Want cancels pulls of images that are not among the wanted keys ([reconcile.Image.Key]).
func (f *Fetcher) Want(keys map[string]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range f.pulls {
		if !keys[key.key] {
			f.forgetPull(key)
		}
	}
}

// forgetPull cancels a pull, if there is one.
func (f *Fetcher) forgetPull(key pullKey) {
	if p, ok := f.pulls[key]; ok {
		f.drop(&p.task)
		delete(f.pulls, key)
	}
}

package images

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/signature"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/reconcile"
)

// pull copies the image into the storage, by digest, and checks that the image is the one
// that was resolved.
func (q query) pull(ctx context.Context, store storage.Store, image reconcile.Image) error {
	if err := q.source.checkFiles(); err != nil {
		return err
	}
	if err := q.store.authenticate(q.system, q.request, q.source); err != nil {
		return err
	}
	release, err := q.store.pulling.acquire(ctx, q.source.registry)
	if err != nil {
		return err
	}
	defer release()
	most := q.store.settings.pullTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("%w: more than %s", errTooLong, most))
	defer cancel()
	layers, _ := q.store.layers.Load(image.Digest)
	known, _ := layers.([]types.BlobInfo) // nil where another process resolved it
	if err := checkSpace(store, known); err != nil {
		return err
	}
	err = q.ask(ctx, func(ctx context.Context, system *types.SystemContext) error {
		return q.copy(ctx, system, store, image)
	})
	return q.explain(overrun(ctx, err))
}

// copy fetches the image's layers and has the storage unpack them.
func (q query) copy(ctx context.Context, settings *types.SystemContext, store storage.Store, image reconcile.Image) error {
	from, err := q.source.at(digest.Digest(image.Digest))
	if err != nil {
		return err
	}
	own := &pulled{Store: store}
	to, err := istorage.Transport.ParseStoreReference(own, q.source.name)
	if err != nil {
		return err
	}
	system := *settings
	if system.BigFilesTemporaryDir, err = os.MkdirTemp(q.store.temporaryDir(), "pull-"); err != nil {
		return err
	}
	defer os.RemoveAll(system.BigFilesTemporaryDir) // the rest is removed with the next pull
	var arrived types.ImageReference
	err = q.watched(ctx, system.BigFilesTemporaryDir, func(ctx context.Context, events chan types.ProgressProperties) error {
		return withPolicy(&system, func(policy *signature.PolicyContext) error {
			_, err := copy.Image(ctx, policy, to, from, &copy.Options{
				SourceCtx:               &system,
				DestinationCtx:          &system,
				Progress:                events,
				ProgressInterval:        everyRead,
				ReportResolvedReference: &arrived,
			})
			return err
		})
	})
	if errors.Is(err, unix.ENOSPC) { // as all was before, or the disk stays full
		own.discard()
	}
	if full, ok := errors.AsType[errNoRoom](err); ok {
		return explained{full.text, err}
	}
	if err != nil {
		return err
	}
	_, stored, err := istorage.ResolveReference(arrived)
	if err != nil {
		return err
	}
	if stored.ID != image.ID {
		return fmt.Errorf("got image %s, want %s: it has changed at its source meanwhile", stored.ID, image.ID)
	}
	return nil
}

// everyRead has the library report each read of a layer, without which it cannot be seen whether a layer
// is being fetched or unpacked.
const everyRead = time.Nanosecond

// watched runs a transfer, reports its progress, and ends it when it makes no progress or is too slow. dir is where its
// layers arrive.
func (q query) watched(ctx context.Context, dir string, run func(context.Context, chan types.ProgressProperties) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	transfer := newTransfer(q.request.Reference, q.store.settings, q.progress)
	transfer.room = func() (room, error) { return roomAt(dir) }
	transfer.densities = densities{dir, map[string]*density{}}
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		transfer.follow(stop)
	}()
	err := run(ctx, transfer.events)
	close(transfer.events)
	<-followed
	transfer.end()
	for _, ended := range []error{errStalled, errSlow, errTooLarge, unix.ENOSPC} {
		if cause := context.Cause(ctx); err != nil && errors.Is(cause, ended) {
			return cause
		}
	}
	return err
}

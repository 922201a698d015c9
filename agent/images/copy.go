package images

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/signature"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"

	"github.com/davit-project/davit/reconcile"
)

// pull copies the image into the storage, by digest, and checks that what arrived is what
// was resolved.
func (q query) pull(ctx context.Context, store storage.Store, image reconcile.Image) error {
	most := q.store.settings.pullTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("it took longer than %s", most))
	defer cancel()
	if err := q.store.authenticate(q.system, q.request, q.source); err != nil {
		return err
	}
	release, err := q.store.pulling.acquire(ctx, q.source.registry)
	if err != nil {
		return err
	}
	defer release()
	layers, _ := q.store.layers.Load(image.Digest)
	known, _ := layers.([]types.BlobInfo) // nil where another process resolved it
	if err := checkSpace(store, known); err != nil {
		return err
	}
	err = q.store.retry(ctx, image.Reference, func() error { return q.copy(ctx, store, image) })
	return explain(err, q.system, q.source)
}

// copy is one try of a pull.
func (q query) copy(ctx context.Context, store storage.Store, image reconcile.Image) error {
	from, err := q.source.at(digest.Digest(image.Digest))
	if err != nil {
		return err
	}
	to, err := istorage.Transport.ParseStoreReference(store, q.source.name)
	if err != nil {
		return err
	}
	system := *q.system
	system.BigFilesTemporaryDir = q.store.temporaryDir()
	var arrived types.ImageReference
	err = q.store.watched(ctx, image.Reference, func(ctx context.Context, events chan types.ProgressProperties) error {
		return withPolicy(&system, func(policy *signature.PolicyContext) error {
			_, err := copy.Image(ctx, policy, to, from, &copy.Options{
				SourceCtx:               &system,
				DestinationCtx:          &system,
				Progress:                events,
				ProgressInterval:        q.store.settings.progressInterval,
				ReportResolvedReference: &arrived,
			})
			return err
		})
	})
	if err != nil {
		return err
	}
	_, stored, err := istorage.ResolveReference(arrived)
	if err != nil {
		return err
	}
	if stored.ID != image.ID {
		return fmt.Errorf("got image %s, want %s: it changed at its source meanwhile, the next pass resolves it again", stored.ID, image.ID)
	}
	return nil
}

// watched runs a transfer, reports its progress, and ends it when it stands still.
func (s *Store) watched(ctx context.Context, reference string, run func(context.Context, chan types.ProgressProperties) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	transfer := newTransfer(reference)
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		transfer.follow(s.progress, s.settings.stallTimeout, stop)
	}()
	err := run(ctx, transfer.events)
	close(transfer.events)
	<-followed
	last := transfer.sum()
	last.Ended = true
	s.progress(last)
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return fmt.Errorf("%w for %s", errStalled, s.settings.stallTimeout)
	}
	return err
}

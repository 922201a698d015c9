package images

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/signature"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// EnsureImage leaves the image whole in the node's storage under the name that Podman
// would give it, synced to the disk and pinned, with its record written last. Calls for
// the same image wait for each other, and the second finds it there.
func (s *Store) EnsureImage(ctx context.Context, image reconcile.Image) error {
	if err := s.ensure(ctx, image); err != nil {
		return fmt.Errorf("pull %s: %w", image.Reference, err)
	}
	return nil
}

func (s *Store) ensure(ctx context.Context, image reconcile.Image) error {
	if len(image.ID) != digest.SHA256.Size()*2 {
		return fmt.Errorf("image id %q is not a SHA-256 digest", image.ID)
	}
	release, err := s.busy.acquire(ctx, image.ID)
	if err != nil {
		return err
	}
	defer release()
	name := bundle.RootfsName{Reference: image.Reference, Platform: image.Request.Platform, Digest: image.Digest}
	if s.records.has(image.ID, name) {
		return nil
	}
	store, err := s.storage()
	if err != nil {
		return err
	}
	if err := s.fetch(ctx, store, image); err != nil {
		return err
	}
	return s.keep(store, image, name)
}

// fetch leaves the image in the storage, its layers sound.
func (s *Store) fetch(ctx context.Context, store storage.Store, image reconcile.Image) error {
	stored, err := store.Image(image.ID)
	if err != nil && !isUnknown(err) {
		return err
	}
	if err == nil {
		bad, err := s.damaged(ctx, store, stored, nil)
		if err != nil || len(bad) == 0 {
			return err
		}
		if err := repair(store, bad); err != nil {
			return err
		}
	}
	if image.Request.PullPolicy == v1.PullNever {
		return fmt.Errorf("it is not on the node, and imagePullPolicy is %s: %w", v1.PullNever, storage.ErrImageUnknown)
	}
	before, err := layerIDs(store)
	if err != nil {
		return err
	}
	if err := s.pull(ctx, store, image); err != nil {
		return err
	}
	return s.checkPulled(ctx, store, image, before)
}

// checkPulled reads back those layers of a pulled image that the pull found on the node.
func (s *Store) checkPulled(ctx context.Context, store storage.Store, image reconcile.Image, before map[string]bool) error {
	stored, err := store.Image(image.ID)
	if err != nil {
		return err
	}
	after, err := layerIDs(store)
	if err != nil {
		return err
	}
	for id := range before {
		delete(after, id)
	}
	bad, err := s.damaged(ctx, store, stored, after)
	if err != nil || len(bad) == 0 {
		return err
	}
	if err := repair(store, bad); err != nil {
		return err
	}
	// They are gone now, so this pull fetches them.
	if err := s.pull(ctx, store, image); err != nil {
		return err
	}
	_, err = store.Image(image.ID)
	return err
}

func layerIDs(store storage.Store) (map[string]bool, error) {
	layers, err := store.Layers()
	if err != nil {
		return nil, err
	}
	ids := make(map[string]bool, len(layers))
	for _, layer := range layers {
		ids[layer.ID] = true
	}
	return ids, nil
}

// pull copies the image into the storage, by digest, and checks that what arrived is what
// was resolved.
func (s *Store) pull(ctx context.Context, store storage.Store, image reconcile.Image) (err error) {
	ctx, cancel := context.WithTimeout(ctx, s.settings.pullTimeout)
	defer cancel()
	system, err := s.system(image.Request)
	if err != nil {
		return err
	}
	source, err := parse(image.Request.Reference, system)
	if err != nil {
		return err
	}
	if source.ref == nil {
		return fmt.Errorf("it is not in the node's storage any more: %w", storage.ErrImageUnknown)
	}
	if err := s.authenticate(system, image.Request, source); err != nil {
		return err
	}
	release, err := s.pulling.acquire(ctx, source.registry)
	if err != nil {
		return err
	}
	defer release()
	layers, _ := s.layers.Load(image.Digest)
	known, _ := layers.([]types.BlobInfo)
	if err := checkSpace(store, known); err != nil {
		return err
	}
	done, err := s.markPull()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	err = s.retry(ctx, image.Reference, func() error { return s.copy(ctx, store, image, source, system) })
	return explain(err, system, source)
}

// copy is one try of a pull.
func (s *Store) copy(ctx context.Context, store storage.Store, image reconcile.Image, source source, system *types.SystemContext) error {
	from, err := source.at(digest.Digest(image.Digest))
	if err != nil {
		return err
	}
	to, err := istorage.Transport.ParseStoreReference(store, source.name)
	if err != nil {
		return err
	}
	var arrived types.ImageReference
	err = s.watched(ctx, image.Reference, func(ctx context.Context, events chan types.ProgressProperties) error {
		return withPolicy(system, func(policy *signature.PolicyContext) error {
			_, err := copy.Image(ctx, policy, to, from, &copy.Options{
				SourceCtx:               system,
				DestinationCtx:          system,
				Progress:                events,
				ProgressInterval:        s.settings.progressInterval,
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

// keep pins the image, makes the storage durable and writes the record.
func (s *Store) keep(store storage.Store, image reconcile.Image, name bundle.RootfsName) error {
	stored, err := store.Image(image.ID)
	if err != nil {
		return err
	}
	layers, err := chain(store, stored)
	if err != nil {
		return err
	}
	lower, err := lowerDirs(store, layers)
	if err != nil {
		return err
	}
	pin, err := pinImage(store, image.ID)
	if err != nil {
		return err
	}
	if err := syncStorage(store); err != nil {
		return err
	}
	config, err := json.Marshal(image.Config)
	if err != nil {
		return err
	}
	return s.records.write(&bundle.Rootfs{
		ImageID: image.ID, Base: overlayRoot(store), Lower: lower, Pin: pin, Config: config,
	}, name)
}

// ReleaseImage removes the record and the pin. The image itself is the node's: podman
// image prune removes it.
func (s *Store) ReleaseImage(_ context.Context, imageID string) error {
	if err := s.records.remove(imageID); err != nil {
		return err
	}
	if len(imageID) != digest.SHA256.Size()*2 {
		return nil // a foreign file among the records: there is no pin of that name
	}
	store, err := s.storage()
	if err != nil {
		return err
	}
	return unpinImage(store, imageID)
}

package images

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// Has reports whether the image is on the node, whole and recorded, so that [Store.EnsureImage] has
// nothing to do. The storage is not opened for it.
func (s *Store) Has(image reconcile.Image) bool { return s.records.has(image.ID, nameOf(image)) }

func nameOf(image reconcile.Image) bundle.RootfsName {
	return bundle.RootfsName{Reference: image.Reference, Platform: image.Request.Platform, Digest: image.Digest}
}

// EnsureImage leaves the image whole in the node's storage under the name that Podman
// would give it, synced to the disk and pinned, with its record written last. It tries once.
// Calls for the same image, of other processes too, wait for each other, and the second
// finds it there. progress is called while layers arrive; it may be nil.
func (s *Store) EnsureImage(ctx context.Context, image reconcile.Image, progress func(Progress)) error {
	if progress == nil {
		progress = func(Progress) {}
	}
	if err := s.ensure(ctx, image, progress); err != nil {
		return fmt.Errorf("image %s: %w", image.Reference, explainUnpacking(err))
	}
	return nil
}

func (s *Store) ensure(ctx context.Context, image reconcile.Image, progress func(Progress)) (err error) {
	if !isID(image.ID) {
		return fmt.Errorf("image id %q is not a SHA-256 digest", image.ID)
	}
	if s.Has(image) {
		return nil
	}
	unlock, err := s.lockImage(ctx, image.ID)
	if err != nil {
		return err
	}
	defer unlock()
	if s.Has(image) {
		return nil // another process has pulled it meanwhile
	}
	store, err := s.open(true)
	if err != nil {
		return err
	}
	q, err := s.query(image.Request)
	if err != nil {
		return err
	}
	q.progress = progress
	done, err := s.beginPull()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	// A pull of another image may have found a shared layer damaged meanwhile.
	for range sharedTries {
		if err = q.fetch(ctx, store, image); err == nil {
			err = s.keep(store, image, nameOf(image))
		}
		if !errors.Is(err, storage.ErrLayerUnknown) {
			break
		}
	}
	return err
}

// sharedTries is how often a pull begins again because of another one that shares layers with it.
const sharedTries = 4

// fetch leaves the image in the storage, its layers sound.
func (q query) fetch(ctx context.Context, store storage.Store, image reconcile.Image) error {
	stored, err := store.Image(image.ID)
	if err != nil && !isUnknown(err) {
		return err
	}
	if err == nil {
		data := checkData(store, stored)
		bad, err := q.store.verify(ctx, store, stored, image.Reference, nil)
		if err != nil {
			return err
		}
		// The same configuration may have come by another manifest. Then only that is
		// fetched, with its signatures.
		if !bad && data == nil && slices.Contains(stored.Digests, digest.Digest(image.Digest)) {
			return q.name(store, stored)
		}
		if data != nil {
			slog.Warn("an image is damaged and is pulled again", "image", image.Reference, "error", data)
			if err := store.(*guard).mender.makeRoomForData(image.ID); err != nil {
				return err
			}
		}
	}
	if q.source.onlyHere() || q.request.PullPolicy == v1.PullNever {
		return fmt.Errorf("it is not on the node, and must not be pulled: %w", storage.ErrImageUnknown)
	}
	before, err := layerIDs(store)
	if err != nil {
		return err
	}
	if err := q.pull(ctx, store, image); err != nil {
		return err
	}
	return q.checkPulled(ctx, store, image, before)
}

// name gives an image that is in the storage the name it would have after a pull.
func (q query) name(store storage.Store, stored *storage.Image) error {
	if q.source.ref == nil || slices.Contains(stored.Names, q.source.name) {
		return nil
	}
	return store.AddNames(stored.ID, []string{q.source.name})
}

// checkPulled reads back those layers of a pulled image that the pull found on the node.
func (q query) checkPulled(ctx context.Context, store storage.Store, image reconcile.Image, before map[string]bool) error {
	stored, err := store.Image(image.ID)
	if err != nil {
		return err
	}
	fresh, err := layerIDs(store)
	if err != nil {
		return err
	}
	for id := range before {
		delete(fresh, id)
	}
	bad, err := q.store.verify(ctx, store, stored, image.Reference, fresh)
	if err != nil || !bad {
		return err
	}
	// The storage does not know them now, so this pull fetches them.
	return q.pull(ctx, store, image)
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
	stamps, err := stampLayers(overlayRoot(store), lower)
	if err != nil {
		return err
	}
	if err := syncStorage(store); err != nil {
		return err
	}
	opens, err := opensOutput(overlayRoot(store), lower)
	if err != nil {
		return err
	}
	before, _ := s.records.read(image.ID)
	config, err := json.Marshal(recordedConfig{image.Config, image.Docker})
	if err != nil {
		return err
	}
	err = s.records.write(&bundle.Rootfs{
		ImageID: image.ID, Base: overlayRoot(store), Lower: lower, Stamps: stamps, Pin: pin, OpensOutput: opens, Config: config,
	}, name)
	if err != nil {
		return err
	}
	if before != nil && before.Pin != pin {
		// The layer of a pin whose container was lost has the image's layers below it, and keeps them.
		_ = store.DeleteLayer(filepath.Base(before.Pin))
	}
	return s.remember()
}

// ReleaseImage removes the record and the pin. The image itself is the node's: podman
// image prune removes it.
//
// The pin goes first: a record without a pin does not count, and is released again.
func (s *Store) ReleaseImage(ctx context.Context, imageID string) error {
	unlock, err := s.lockImage(ctx, imageID)
	if err != nil {
		return err
	}
	defer unlock()
	record, _ := s.records.read(imageID)
	if isID(imageID) { // not a foreign file among the records, which has no pin
		store, err := s.storage()
		if err != nil {
			return err
		}
		if err := unpinImage(store, imageID); err != nil {
			return err
		}
		if err := s.remember(); err != nil {
			return err
		}
	}
	if err := s.records.remove(imageID); err != nil || record == nil {
		return err
	}
	return s.dropUnknown(record)
}

// dropUnknown moves layers of a released image aside that no other record names and the storage does not
// know, because an index was lost that had no copy: no prune would find them.
func (s *Store) dropUnknown(record *bundle.Rootfs) error {
	store, err := s.storage()
	if err != nil {
		return err
	}
	all, err := s.records.readable()
	if err != nil {
		return err
	}
	named := map[string]bool{}
	for _, other := range all {
		addAll(named, other)
	}
	for _, link := range record.Lower {
		target, err := os.Readlink(filepath.Join(record.Base, link))
		if err != nil || named[link] || record.Base != overlayRoot(store) {
			continue
		}
		id := filepath.Base(filepath.Dir(target))
		if _, err := store.Layer(id); !errors.Is(err, storage.ErrLayerUnknown) {
			continue
		}
		if err := store.(*guard).makeRoom(id); err != nil {
			return err
		}
	}
	return nil
}

// DeleteImage releases the image and removes it, with the layers that no other image has. Images and layers that a
// container of another tool uses stay.
func (s *Store) DeleteImage(ctx context.Context, imageID string) error {
	if err := s.ReleaseImage(ctx, imageID); err != nil {
		return err
	}
	store, err := s.storage()
	if err != nil {
		return err
	}
	if _, err := store.DeleteImage(imageID, true); err != nil && !errors.Is(err, storage.ErrImageUnknown) {
		return fmt.Errorf("delete image %s: %w", imageID, err)
	}
	return s.remember()
}

// isID tells an image's id: the SHA-256 digest of its configuration.
func isID(text string) bool {
	return digest.NewDigestFromEncoded(digest.SHA256, text).Validate() == nil
}

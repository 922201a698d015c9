package images

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/common/pkg/retry"
	"go.podman.io/image/v5/copy"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/storage"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// pullTimeout bounds one pull with all its retries.
const pullTimeout = time.Hour

// EnsureImage leaves the image whole in the node's storage, synced to the disk and
// pinned, with its root filesystem record written last.
func (s *Store) EnsureImage(ctx context.Context, image reconcile.Image) error {
	if err := s.ensure(ctx, image); err != nil {
		return fmt.Errorf("pull %s: %w", image.Reference, err)
	}
	return nil
}

func (s *Store) ensure(ctx context.Context, image reconcile.Image) error {
	store, err := s.storage()
	if err != nil {
		return err
	}
	if _, err := store.Image(image.ID); errors.Is(err, storage.ErrImageUnknown) {
		err = s.pull(ctx, store, image)
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	pin, err := pinImage(store, image.ID)
	if err != nil {
		return fmt.Errorf("pin: %w", err)
	}
	if err := syncStorage(store); err != nil {
		return err
	}
	return record(store, image, pin)
}

// pull copies the image into the storage, by digest, and checks that what arrived is what
// was resolved.
func (s *Store) pull(ctx context.Context, store storage.Store, image reconcile.Image) error {
	ctx, cancel := context.WithTimeout(ctx, pullTimeout)
	defer cancel()
	if err := s.pulls.Acquire(ctx, 1); err != nil {
		return err
	}
	defer s.pulls.Release(1)
	if err := checkSpace(store); err != nil {
		return err
	}
	source, err := parse(image.Request.Reference)
	if err != nil {
		return err
	}
	if source.ref == nil {
		return errors.New("not in the node's storage any more")
	}
	err = retry.IfNecessary(ctx, func() error { return s.copy(ctx, store, image, source) }, &retry.Options{MaxRetry: 3})
	if err != nil {
		return err
	}
	_, pulled, err := lookUp(store, source.name)
	if err != nil {
		return err
	}
	if pulled.ID != image.ID {
		return fmt.Errorf("got image %s, want %s: it changed at its source meanwhile", pulled.ID, image.ID)
	}
	return nil
}

func (s *Store) copy(ctx context.Context, store storage.Store, image reconcile.Image, source source) error {
	system, err := systemContext(image.Request)
	if err != nil {
		return err
	}
	policy, err := policyContext(system)
	if err != nil {
		return err
	}
	defer policy.Destroy()
	from, err := source.at(digest.Digest(image.Digest))
	if err != nil {
		return err
	}
	to, err := istorage.Transport.ParseStoreReference(store, source.name)
	if err != nil {
		return err
	}
	events, wait := s.report(image.Reference)
	defer wait()
	defer close(events)
	_, err = copy.Image(ctx, policy, to, from, &copy.Options{
		SourceCtx:        system,
		DestinationCtx:   system,
		Progress:         events,
		ProgressInterval: progressInterval,
	})
	return err
}

// minFree is the room that must be left on the storage's file system before a pull, in
// bytes: a full disk stops more than a pull.
const minFree = 256 << 20

func checkSpace(store storage.Store) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(store.GraphRoot(), &stat); err != nil {
		return fmt.Errorf("free space of %s: %w", store.GraphRoot(), err)
	}
	if free := stat.Bavail * uint64(stat.Bsize); free < minFree {
		return fmt.Errorf("only %d MiB are free on %s, want %d: podman image prune makes room", free>>20, store.GraphRoot(), minFree>>20)
	}
	return nil
}

// syncStorage makes all that the storage wrote durable: its layers are synced one by one,
// its lists of images and containers are not.
func syncStorage(store storage.Store) error {
	root, err := os.Open(store.GraphRoot())
	if err != nil {
		return fmt.Errorf("sync image storage: %w", err)
	}
	defer root.Close()
	if err := unix.Syncfs(int(root.Fd())); err != nil {
		return fmt.Errorf("sync image storage: %w", err)
	}
	return nil
}

// record writes that the image is here.
func record(store storage.Store, image reconcile.Image, pin string) error {
	lower, err := lowerDirs(store, image.ID)
	if err != nil {
		return err
	}
	config, err := json.Marshal(image.Config)
	if err != nil {
		return err
	}
	names := []bundle.RootfsName{{Reference: image.Reference, Platform: image.Request.Platform, Digest: image.Digest}}
	if old, err := readRecord(image.ID); err == nil {
		names = mergeNames(old.Names, names[0])
	}
	// Another image may have had the name until now.
	if err := forgetName(names[len(names)-1], image.ID); err != nil {
		return err
	}
	return writeRecord(&bundle.Rootfs{
		ImageID: image.ID, Base: overlayRoot(store), Lower: lower, Pin: pin, Names: names, Config: config,
	})
}

// ReleaseImage removes the record and the pin. The image itself is the node's: podman
// image prune removes it.
func (s *Store) ReleaseImage(_ context.Context, imageID string) error {
	if err := removeRecord(imageID); err != nil {
		return err
	}
	store, err := s.storage()
	if err != nil {
		return err
	}
	if err := unpinImage(store, imageID); err != nil {
		return fmt.Errorf("unpin image %s: %w", imageID, err)
	}
	return nil
}

// Package images keeps images in the node's own containers-storage, the one that Podman,
// Buildah and Skopeo use too.
//
// It knows registries, signatures and storage; it knows nothing of manifests and units.
// A program that uses it must call reexec.Init of go.podman.io/storage/pkg/reexec first
// in main: the storage library runs the program again to unpack layers.
package images

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"
	"golang.org/x/sync/semaphore"
)

// maxPulls bounds the pulls that run at once; each pulls several layers at once itself.
const maxPulls = 3

// Store is the node's image storage. It is opened when it is first needed: a pass that
// changes nothing reads only davit's records. Its methods may be called from several
// goroutines.
type Store struct {
	progress func(Progress)
	pulls    *semaphore.Weighted

	open    sync.Once
	store   storage.Store
	openErr error
}

// New returns the node's image storage. progress is called while images are pulled, from
// several goroutines; it may be nil.
func New(progress func(Progress)) *Store {
	if progress == nil {
		progress = func(Progress) {}
	}
	return &Store{progress: progress, pulls: semaphore.NewWeighted(maxPulls)}
}

// Root is the storage's directory, by storage.conf(5).
func Root() (string, error) {
	options, err := storage.DefaultStoreOptions()
	if err != nil {
		return "", fmt.Errorf("read storage.conf: %w", err)
	}
	return options.GraphRoot, nil
}

// Close releases the storage.
func (s *Store) Close() error {
	if s.store == nil {
		return nil
	}
	_, err := s.store.Shutdown(false)
	if errors.Is(err, storage.ErrLayerUsedByContainer) {
		return nil
	}
	return err
}

// storage opens the node's storage. Layers are synced before they count as present: the
// library's default is not to sync at all, which loses files in a power loss.
func (s *Store) storage() (storage.Store, error) {
	s.open.Do(func() { s.store, s.openErr = openStorage() })
	return s.store, s.openErr
}

func openStorage() (storage.Store, error) {
	options, err := storage.DefaultStoreOptions()
	if err != nil {
		return nil, fmt.Errorf("read storage.conf: %w", err)
	}
	const driver = "overlay"
	if options.GraphDriverName == "" {
		options.GraphDriverName = driver
	}
	if options.GraphDriverName != driver {
		return nil, fmt.Errorf("image storage uses the driver %q: davit needs %s, set driver in storage.conf(5)", options.GraphDriverName, driver)
	}
	isSync := func(option string) bool { return strings.HasPrefix(option, "overlay.sync=") }
	if !slices.ContainsFunc(options.GraphDriverOptions, isSync) {
		options.GraphDriverOptions = append(options.GraphDriverOptions, "overlay.sync=filesystem")
	}
	// A partially pulled image has another id than its configuration's digest.
	options.PullOptions = map[string]string{"enable_partial_images": "false"}
	store, err := storage.GetStore(options)
	if err != nil {
		return nil, fmt.Errorf("open image storage %s: %w", options.GraphRoot, err)
	}
	return store, nil
}

// lookUp finds an image by the name it has in the storage.
func lookUp(store storage.Store, name string) (types.ImageReference, *storage.Image, error) {
	ref, err := istorage.Transport.ParseStoreReference(store, name)
	if err != nil {
		return nil, nil, err
	}
	return istorage.ResolveReference(ref)
}

// overlayRoot is where the overlay driver keeps its layers.
func overlayRoot(store storage.Store) string {
	return filepath.Join(store.GraphRoot(), "overlay")
}

// Package images keeps images in the node's own containers-storage, the one that Podman,
// Buildah and Skopeo use too.
//
// It knows registries, signatures, credentials and storage; it knows nothing of manifests
// and units. For the launcher it leaves a record for each image
// ([bundle.Rootfs]): the layers to mount, so that the launcher needs no storage library.
//
// A record means that the image is whole and durable:
//
//   - every layer that was pulled was synced before the storage took it in
//     (overlay.sync=filesystem), and the storage's file system once more before the record
//     was written;
//   - a layer that another tool had brought was read back and compared with its digest
//     first, because other tools do not sync (see verify.go);
//   - the image is pinned, so that another tool's prune leaves it alone (see pin.go);
//   - the node's policy.json admits it.
//
// A program that uses this package must call [Init] first in main, and return when that says so: the storage library runs
// the program again to unpack layers. It is built with the tags containers_image_openpgp and
// exclude_graphdriver_btrfs, which need no cgo.
package images

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"go.podman.io/storage"
	storagetypes "go.podman.io/storage/types"
)

// driver is the only graph driver whose layers the launcher can mount.
const driver = "overlay"

// Store is the node's image storage. It is opened when it is first needed: a pass that
// changes nothing reads only davit's records. Its methods may be called from several
// goroutines.
type Store struct {
	settings settings
	records  records
	cache    cache
	limits   limits
	proxies  proxies

	// pulling and resolving have some holders for each registry.
	pulling, resolving *limiter

	opening sync.Mutex
	opened  storage.Store
	// sound is the state of the storage's files after the last repair.
	sound seen

	// marking counts the pulls under way, see crash.go.
	marking    sync.Mutex
	marks      int
	leavePulls func()

	// verifying is held while layers are read back.
	verifying sync.Mutex
	// readable are the lists of layers' files that were read whole, see guard.go.
	readable sync.Map

	// layers are the compressed layers of images that were resolved, by digest of the
	// image's manifest: a pull will need them.
	layers sync.Map
}

// New returns the node's image storage.
func New() *Store { return newStore(nodeSettings()) }

func newStore(settings settings) *Store {
	return &Store{
		settings:  settings,
		records:   records{dir: settings.records, lockPath: filepath.Join(settings.runDir, "images", "records.lock")},
		pulling:   newLimiter(maxPulls),
		resolving: newLimiter(maxResolves),
	}
}

// Root is the storage's directory, by storage.conf(5).
func Root() (string, error) {
	options, err := storagetypes.LoadStoreOptions(storagetypes.LoadOptions{})
	if err != nil {
		return "", fmt.Errorf("read storage.conf: %w", err)
	}
	return options.GraphRoot, nil
}

// Close releases the storage, if it was opened.
func (s *Store) Close() error {
	s.opening.Lock()
	defer s.opening.Unlock()
	if s.opened == nil {
		return nil
	}
	// Layers that another tool has mounted are no reason for it to fail.
	if _, err := s.opened.Shutdown(false); err != nil && !errors.Is(err, storage.ErrLayerUsedByContainer) {
		return fmt.Errorf("close image storage: %w", err)
	}
	s.opened = nil
	return nil
}

// storage opens the node's storage, and puts damaged files of it right. A failure is not kept: the
// next call tries again.
func (s *Store) storage() (storage.Store, error) { return s.open(false) }

// open opens the storage. Where nothing shows that a file has changed, only a whole look finds the damage
// inside the directories of layers.
func (s *Store) open(whole bool) (storage.Store, error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	options, err := s.settings.storage()
	if err != nil {
		return nil, fmt.Errorf("read storage.conf: %w", err)
	}
	if options, err = durable(options); err != nil {
		return nil, err
	}
	m := s.mender(options)
	if s.opened != nil && !whole && s.sound.equal(m.look()) {
		return s.opened, nil
	}
	if err := m.mend(); err != nil {
		return nil, err
	}
	store := s.opened
	if store == nil {
		if store, err = storage.GetStore(options); err != nil {
			return nil, fmt.Errorf("open image storage %s: %w", options.GraphRoot, err)
		}
		store = &guard{store, m, &s.readable}
	}
	if err := s.repairAfterCrash(store, m); err != nil {
		return nil, err
	}
	if err := s.checkPins(store, m); err != nil {
		return nil, err
	}
	s.opened, s.sound = store, m.look()
	return store, nil
}

// remember copies the indexes as a change has left them.
func (s *Store) remember() error {
	_, err := s.open(true)
	return err
}

// durable are the node's options, with layers synced before they count as present: the
// library's default is not to sync at all, which loses files in a power loss. Options that
// storage.conf sets itself stay as they are.
func durable(options storage.StoreOptions) (storage.StoreOptions, error) {
	if options.GraphDriverName == "" {
		options.GraphDriverName = driver
	}
	if options.GraphDriverName != driver {
		return options, fmt.Errorf("image storage %s uses the driver %q: davit mounts layers of %s only, set driver = %q in /etc/containers/storage.conf",
			options.GraphRoot, options.GraphDriverName, driver, driver)
	}
	options.GraphDriverOptions = slices.Clone(options.GraphDriverOptions)
	for key, value := range map[string]string{
		"sync": "filesystem",
		// Nothing is mounted through the library, so it needs no mount of its own, which
		// everyone would see and another tool might have made, too.
		"skip_mount_home": "true",
	} {
		if !hasOption(options.GraphDriverOptions, key) {
			options.GraphDriverOptions = append(options.GraphDriverOptions, driver+"."+key+"="+value)
		}
	}
	// A partially pulled image has another id than its configuration's digest, and may be
	// stored in a form that only the library can mount.
	options.PullOptions = maps.Clone(options.PullOptions)
	if options.PullOptions == nil {
		options.PullOptions = map[string]string{}
	}
	options.PullOptions["enable_partial_images"] = "false"
	options.PullOptions["convert_images"] = "false"
	return options, nil
}

// hasOption reads options as the library does: the driver's name may be missing.
func hasOption(options []string, key string) bool {
	return slices.ContainsFunc(options, func(option string) bool {
		name, _, _ := strings.Cut(strings.ToLower(option), "=")
		return name == key || name == driver+"."+key || name == driver+"2."+key
	})
}

// overlayRoot returns the overlay driver's directory of layers.
func overlayRoot(store storage.Store) string {
	return filepath.Join(store.GraphRoot(), driver)
}

// isUnknown tells that the storage has no such image.
func isUnknown(err error) bool {
	return errors.Is(err, storage.ErrImageUnknown) || errors.Is(err, storage.ErrNotAnImage)
}

package images

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"

	"go.podman.io/storage"
	"go.podman.io/storage/pkg/lockfile"

	"github.com/davit-project/davit/agent/disk"
)

// The storage library opens no storage, or panics, where a file of its own is damaged, and there is no other way to the
// images. So the files are repaired before the library may touch anything. Data lost in the layers themselves is found
// when an image is used (see verify.go).

// mender puts the files below a storage's root right.
type mender struct {
	// graphRoot and runRoot are the storage's directories, root that of the driver's layers, copies
	// that of the copies that davit keeps of the indexes.
	graphRoot, runRoot, root, copies string
	// layers are the layers in the indexes, with the layer below each.
	layers map[string]string
	// mended counts the layers whose links were repaired.
	mended int
}

func (s *Store) mender(options storage.StoreOptions) *mender {
	return &mender{
		graphRoot: options.GraphRoot, runRoot: options.RunRoot, root: filepath.Join(options.GraphRoot, driver),
		copies: filepath.Join(s.settings.records, ".indexes"),
	}
}

// mend repairs damaged files of the storage. An error is one of the disk: any content of the files can be repaired.
func (m *mender) mend() error {
	err := m.mendAll()
	if err != nil {
		return fmt.Errorf("repair image storage %s: %w", m.graphRoot, err)
	}
	return nil
}

func (m *mender) mendAll() error {
	if err := m.mendTypes(); err != nil {
		return err
	}
	locks, unlock, err := m.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := m.restoreIndexes(locks); err != nil {
		return err
	}
	if err := m.mendLinks(); err != nil {
		return err
	}
	return m.tidyAside()
}

// lock takes the locks of all indexes, so that no process changes them meanwhile.
func (m *mender) lock() (locks map[string]*lockfile.LockFile, unlock func(), err error) {
	locks = map[string]*lockfile.LockFile{}
	for _, k := range kinds {
		if locks[k.name], err = lockfile.GetLockFile(filepath.Join(m.graphRoot, k.lockFile())); err != nil {
			return nil, nil, err
		}
	}
	for _, k := range kinds {
		locks[k.name].Lock()
	}
	return locks, func() {
		for _, lock := range locks {
			lock.Unlock()
		}
	}, nil
}

// directories and files are the names that the library expects to be one, below the storage's root and, in the run
// root, for the count of mounts.
func (m *mender) directories() []string {
	names := []string{"", driver, driver + "/" + linksDir, driver + "/tempdirs", driver + "/staging", driver + "-layers/tmp"}
	for _, k := range kinds {
		names = append(names, filepath.Dir(k.file))
	}
	return below(m.graphRoot, names...)
}

func (m *mender) files() []string {
	names := []string{"storage.lock", "userns.lock"}
	for _, k := range kinds {
		names = append(append(names, k.lockFile()), k.files()...)
	}
	return append(below(m.graphRoot, names...), below(m.runRoot, driver+"-layers/mountpoints.lock", m.mountCounts())...)
}

func (*mender) mountCounts() string { return driver + "-layers/mountpoints.json" }

func below(root string, names ...string) []string {
	var paths []string
	for _, name := range names {
		paths = append(paths, filepath.Join(root, name))
	}
	return paths
}

// mendTypes moves aside a directory where the library has a file, and the reverse.
func (m *mender) mendTypes() error {
	for _, path := range m.directories() {
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			if err := m.wrongType(path); err != nil {
				return err
			}
		}
	}
	for _, path := range m.files() {
		if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
			if err := m.wrongType(path); err != nil {
				return err
			}
		}
	}
	// They count mounts of the library, and davit's pins are never mounted.
	counts := filepath.Join(m.runRoot, m.mountCounts())
	if text, err := os.ReadFile(counts); err == nil && len(text) > 0 && !isMountCounts(text) {
		if err := m.wrongType(counts); err != nil {
			return err
		}
	}
	return os.MkdirAll(filepath.Join(m.root, linksDir), 0o700)
}

// isMountCounts reports whether the library can read a text as its mount counts.
func isMountCounts(text []byte) bool {
	var counts []struct {
		ID    string `json:"id"`
		Path  string `json:"path"`
		Count int    `json:"count"`
	}
	return json.Unmarshal(text, &counts) == nil
}

func (m *mender) wrongType(path string) error {
	slog.Warn("a file of the image storage was damaged and is moved aside", "file", path, "to", filepath.Join(m.graphRoot, asideFiles))
	if path == m.graphRoot {
		return fmt.Errorf("%s is no directory", path)
	}
	return m.setAside(path)
}

// seen is the state of the files that can be damaged after the last repair.
type seen map[string]fs.FileInfo

// look returns the state of the files without reading them: a change of any of it has the storage checked again.
func (m *mender) look() seen {
	found := seen{}
	paths := append(m.directories(), m.files()...)
	for _, k := range kinds {
		for _, file := range k.files() {
			paths = append(paths, filepath.Join(m.copies, filepath.Base(file)))
		}
	}
	for _, path := range paths {
		if info, err := os.Lstat(path); err == nil {
			found[path] = info
		}
	}
	return found
}

func (s seen) equal(now seen) bool { return maps.EqualFunc(s, now, disk.Unchanged) }

// checkPins has images pulled again of which davit has a record and the storage knows nothing, because an
// index was lost that had no copy: their pins go, so that the records do not count as whole. The layers
// stay where they are, and containers of such an image can still be started.
func (s *Store) checkPins(store storage.Store, m *mender) error {
	all, err := s.records.readable()
	if err != nil {
		return err
	}
	for _, record := range all {
		pin, err := store.Container(pinName(record.ImageID))
		if err == nil && pinDir(store, pin) == record.Pin && store.Exists(record.ImageID) {
			continue
		}
		if err != nil && !errors.Is(err, storage.ErrContainerUnknown) {
			return err
		}
		if record.Pin == "" || filepath.Dir(record.Pin) != m.root || !isDir(record.Pin) {
			continue
		}
		if err := m.setAside(record.Pin); err != nil {
			return err
		}
	}
	return nil
}

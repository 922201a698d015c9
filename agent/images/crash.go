package images

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"go.podman.io/storage"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
)

// While davit pulls, a file holds the boot's id. A file with another boot's id
// shows that the machine went down in the middle of a pull: only then can files that davit wrote
// into the storage be incomplete, and the storage is checked before it is used. After a mere
// kill the page cache is whole, and the storage itself removes layers it had begun.

const bootIDFile = "/proc/sys/kernel/random/boot_id"

func (s *Store) markPath() string { return filepath.Join(s.settings.records, ".pulling") }

// temporaryDir is the directory of layers that are being fetched.
func (s *Store) temporaryDir() string { return filepath.Join(s.settings.records, ".fetching") }

// beginPull leaves the mark for as long as a pull is under way; the caller calls done once. If no process
// pulls, the temporary directory holds leftovers of a killed pull.
func (s *Store) beginPull() (done func() error, err error) {
	s.marking.Lock()
	defer s.marking.Unlock()
	if s.marks == 0 {
		if err := s.joinPulls(); err != nil {
			return nil, err
		}
	}
	s.marks++
	return s.endPull, nil
}

func (s *Store) joinPulls() error {
	if err := s.alone(func() error { return os.RemoveAll(s.temporaryDir()) }); err != nil {
		return fmt.Errorf("remove the leftovers of a killed pull: %w", err)
	}
	// A process that is alone is so for a moment only.
	leave, err := disk.Lock(s.pullsLock(), unix.LOCK_SH)
	if err != nil {
		return err
	}
	err = os.MkdirAll(s.temporaryDir(), 0o700)
	if err == nil {
		err = s.mark()
	}
	if err != nil {
		leave()
		return err
	}
	s.leavePulls = leave
	return nil
}

func (s *Store) mark() error {
	boot, err := os.ReadFile(bootIDFile)
	if err != nil {
		return fmt.Errorf("read the boot's id: %w", err)
	}
	unlock, err := s.records.lock()
	if err != nil {
		return err
	}
	defer unlock()
	return disk.WriteFile(s.markPath(), boot, 0o600)
}

func (s *Store) endPull() error {
	s.marking.Lock()
	defer s.marking.Unlock()
	s.marks--
	if s.marks > 0 {
		return nil
	}
	s.leavePulls()
	return s.alone(func() error { return removeFile(s.markPath()) })
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// repairAfterCrash checks the storage's lists and data once after the machine went down
// during a pull, and removes the damaged parts, never more. Layers are not read here: those
// that no record names are read back before their first use.
func (s *Store) repairAfterCrash(store storage.Store, m *mender) error {
	marked, err := os.ReadFile(s.markPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	boot, err := os.ReadFile(bootIDFile)
	if err != nil {
		return fmt.Errorf("read the boot's id: %w", err)
	}
	if bytes.Equal(marked, boot) {
		return nil // another davit process is pulling, or was killed
	}
	report, err := store.Check(&storage.CheckOptions{LayerData: true, ImageData: true})
	if err != nil {
		return fmt.Errorf("check image storage %s: %w", store.GraphRoot(), err)
	}
	slog.Warn("the machine went down during an image pull: image storage checked",
		"storage", store.GraphRoot(), "damagedLayers", len(report.Layers), "damagedImages", len(report.Images))
	if err := m.repairReported(store, report); err != nil {
		slog.Warn("image storage is not wholly repaired", "storage", store.GraphRoot(), "error", err)
	}
	return removeFile(s.markPath())
}

// repairReported has the storage forget the layers and images that a check has found damaged; images that another
// tool's container uses stay. Nothing is deleted: running containers may use layers that the storage does not know, or
// files that no image uses.
func (m *mender) repairReported(store storage.Store, report storage.CheckReport) error {
	containers, err := store.Containers()
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for _, container := range containers {
		if !slices.Contains(container.Names, pinName(container.ImageID)) {
			used[container.ImageID] = true
		}
	}
	var images, layers []string
	for id := range report.Images {
		if used[id] {
			continue
		}
		if err := unpinImage(store, id); err != nil {
			return err
		}
		images = append(images, id)
	}
	for id, failures := range report.Layers {
		if slices.ContainsFunc(failures, isDamage) {
			layers = append(layers, id)
		}
	}
	return errors.Join(m.forget(imageKind, images), m.forget(layerKind, layers))
}

// isDamage reports whether a check found damage, rather than a layer that is merely unused.
func isDamage(err error) bool {
	return !errors.Is(err, storage.ErrLayerUnaccounted) && !errors.Is(err, storage.ErrLayerUnreferenced)
}

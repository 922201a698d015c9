package images

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.podman.io/storage"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// records are davit's records of images, one file each in dir.
type records struct {
	dir string
	// lockPath is the file that is locked while the directory is changed.
	lockPath string
}

// lock has one process, and one of its goroutines, change the directory. No network is waited for meanwhile.
func (r *records) lock() (unlock func(), err error) { return disk.Lock(r.lockPath, unix.LOCK_EX) }

// List returns the images that davit keeps: for each image id the keys (reference@digest)
// under which it was pulled. One whose record, layers or pin are damaged or gone has no
// keys, so it is pulled again where it is wanted and released where it is not. The storage
// is not opened for it.
func List() (map[string][]string, error) {
	return (&records{dir: bundle.RootfsDir}).list()
}

func (r *records) list() (map[string][]string, error) {
	ids, err := r.ids()
	if err != nil {
		return nil, err
	}
	images := map[string][]string{}
	for _, id := range ids {
		keys := []string{}
		if record, err := r.read(id); err == nil && isWhole(record) {
			for _, name := range record.Names {
				keys = append(keys, name.Reference+"@"+name.Digest)
			}
		}
		images[id] = keys
	}
	return images, nil
}

// ids are the images that have a record, sound or not.
func (r *records) ids() ([]string, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read image records: %w", err)
	}
	var ids []string
	for _, entry := range entries {
		if id, ok := strings.CutSuffix(entry.Name(), ".json"); ok && !strings.HasPrefix(id, ".") {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (r *records) path(imageID string) string { return filepath.Join(r.dir, imageID+".json") }

func (r *records) read(imageID string) (*bundle.Rootfs, error) {
	text, err := os.ReadFile(r.path(imageID))
	if err != nil {
		return nil, fmt.Errorf("read image record: %w", err)
	}
	return bundle.DecodeRootfs(imageID, text)
}

// readable returns the records that decode; the others count as not there.
func (r *records) readable() ([]*bundle.Rootfs, error) {
	ids, err := r.ids()
	if err != nil {
		return nil, err
	}
	var found []*bundle.Rootfs
	for _, id := range ids {
		if record, err := r.read(id); err == nil {
			found = append(found, record)
		}
	}
	return found, nil
}

// find returns the record that has the request's name. The error is
// storage.ErrImageUnknown where none has.
func (r *records) find(request reconcile.ImageRequest) (*bundle.Rootfs, bundle.RootfsName, error) {
	found, err := r.readable()
	if err != nil {
		return nil, bundle.RootfsName{}, err
	}
	for _, record := range found {
		for _, name := range record.Names {
			if name.Reference == request.Reference && name.Platform == request.Platform {
				return record, name, nil
			}
		}
	}
	return nil, bundle.RootfsName{}, storage.ErrImageUnknown
}

// has tells that the image is recorded under this name, and whole.
func (r *records) has(imageID string, name bundle.RootfsName) bool {
	record, err := r.read(imageID)
	return err == nil && isWhole(record) && slices.Contains(record.Names, name)
}

// isWhole looks whether the layers and the pin that a record names are still there.
func isWhole(record *bundle.Rootfs) bool {
	if err := disk.CheckStamps(record.Base, record.Lower, record.Stamps); err != nil {
		return false
	}
	_, err := os.Stat(record.Pin)
	return err == nil
}

// write writes the record, under the names it had before and the one it has now, and
// takes that name from other images: a reference means one image.
func (r *records) write(record *bundle.Rootfs, name bundle.RootfsName) error {
	unlock, err := r.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := disk.Tidy(r.dir); err != nil {
		return err
	}
	all, err := r.readable()
	if err != nil {
		return err
	}
	record.Names = []bundle.RootfsName{name}
	for _, other := range all {
		kept := slices.DeleteFunc(slices.Clone(other.Names), func(n bundle.RootfsName) bool {
			return n.Reference == name.Reference && n.Platform == name.Platform
		})
		switch {
		case other.ImageID == record.ImageID:
			record.Names = append(kept, name)
		case len(kept) < len(other.Names):
			other.Names = kept
			if err := r.put(other); err != nil {
				return err
			}
		}
	}
	return r.put(record)
}

func (r *records) put(record *bundle.Rootfs) error {
	text, err := record.Encode()
	if err != nil {
		return err
	}
	if err := r.clear(record.ImageID); err != nil {
		return err
	}
	return disk.WriteFile(r.path(record.ImageID), text, 0o600)
}

// clear removes anything but a file where a record belongs.
func (r *records) clear(imageID string) error {
	if info, err := os.Lstat(r.path(imageID)); err == nil && !info.Mode().IsRegular() {
		return os.RemoveAll(r.path(imageID))
	}
	return nil
}

func (r *records) remove(imageID string) error {
	unlock, err := r.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := r.clear(imageID); err != nil {
		return fmt.Errorf("remove image record: %w", err)
	}
	if err := os.Remove(r.path(imageID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove image record: %w", err)
	}
	return nil
}

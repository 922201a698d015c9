// Package volumes keeps the directories of named volumes. It knows their owner and mode,
// never their content, and removes only one that was made to go with its manifest.
package volumes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// Store is the node's named volumes.
type Store struct {
	// dir is bundle.VolumesDir where it is empty; tests have their own.
	dir string
}

func (s Store) root() string { return cmp.Or(s.dir, bundle.VolumesDir) }

// permissions are the bits of a mode that a manifest sets: chmod(2)'s.
const permissions = 0o7777

// EnsureVolume leaves the volume's directory with its owner and mode. Its content stays
// as it is, its owners included.
func (s Store) EnsureVolume(_ context.Context, name string, volume reconcile.Volume) error {
	if err := s.ensure(name, volume); err != nil {
		return fmt.Errorf("make volume %s: %w", name, err)
	}
	return nil
}

func (s Store) ensure(name string, volume reconcile.Volume) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := os.MkdirAll(s.root(), 0o700); err != nil {
		return err
	}
	if err := s.mark(name, volume.Delete); err != nil {
		return err
	}
	made, err := s.makeDir(name, volume.Filled)
	if err != nil {
		return err
	}
	fd, err := openDir(s.root(), name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if made || !volume.Filled {
		if err := setOwner(fd, volume); err != nil {
			return &os.PathError{Op: "set owner and mode", Path: filepath.Join(s.root(), name), Err: err}
		}
	}
	if err := unix.Fsync(fd); err != nil {
		return &os.PathError{Op: "sync", Path: filepath.Join(s.root(), name), Err: err}
	}
	return disk.SyncDir(s.root())
}

// makeDir makes the directory of a volume, and marks it before if it is to be filled. It reports whether it made one.
func (s Store) makeDir(name string, filled bool) (made bool, err error) {
	path := filepath.Join(s.root(), name)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if filled {
		err = disk.WriteFile(filepath.Join(s.root(), bundle.FreshMark+name), nil, 0o600)
	}
	return true, errors.Join(err, os.Mkdir(path, 0o700))
}

// checkName refuses anything but the name of one entry of the directory.
func checkName(name string) error {
	if strings.HasPrefix(name, ".") || !filepath.IsLocal(name) || filepath.Base(name) != name {
		return fmt.Errorf("%q is not a volume's name", name)
	}
	return nil
}

// markPrefix begins the name of a file beside a volume's directory that marks it: the volume goes with
// its manifest. No volume's name begins with a dot.
const markPrefix = ".delete-"

// mark makes the mark, or takes it away, before anything else is done to the volume: one that was to be
// kept is never deleted.
func (s Store) mark(name string, deleted bool) error {
	path := filepath.Join(s.root(), markPrefix+name)
	if deleted {
		return disk.WriteFile(path, nil, 0o600)
	}
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return disk.SyncDir(s.root())
}

// RemoveVolume removes a volume that is marked, and all that is in it.
func (s Store) RemoveVolume(_ context.Context, name string) error {
	if err := s.remove(name); err != nil {
		return fmt.Errorf("remove volume %s: %w", name, err)
	}
	return nil
}

func (s Store) remove(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	mark := filepath.Join(s.root(), markPrefix+name)
	if _, err := os.Lstat(mark); err != nil {
		return fmt.Errorf("it is to be kept: %w", err)
	}
	// It leaves links alone, and does not follow them.
	if err := untrusted.RemoveAll(filepath.Join(s.root(), name)); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(s.root(), bundle.FreshMark+name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Remove(mark); err != nil {
		return err
	}
	return disk.SyncDir(s.root())
}

// openDir opens the volume's own directory and nothing that a link leads to (openat2(2),
// Linux 5.6): the owner and mode that follow are then that directory's for certain.
func openDir(root, name string) (int, error) {
	path := filepath.Join(root, name)
	parent, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: root, Err: err}
	}
	defer unix.Close(parent)
	fd, err := unix.Openat2(parent, name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return -1, fmt.Errorf("%s is not a directory: move it away", path)
	}
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// setOwner changes the owner, group or mode if they differ. The owner comes first, because chown(2) clears the
// set-id bits.
func setOwner(fd int, want reconcile.Volume) error {
	var have unix.Stat_t
	if err := unix.Fstat(fd, &have); err != nil {
		return err
	}
	if int(have.Uid) != want.UID || int(have.Gid) != want.GID {
		if err := unix.Fchown(fd, want.UID, want.GID); err != nil {
			return err
		}
	}
	return unix.Fchmod(fd, want.Mode&permissions)
}

// List returns the named volumes on the disk, by name.
func List() (map[string]reconcile.ActualVolume, error) { return Store{}.list() }

func (s Store) list() (map[string]reconcile.ActualVolume, error) {
	entries, err := os.ReadDir(s.root())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	marked := map[string]bool{}
	for _, entry := range entries {
		if name, ok := strings.CutPrefix(entry.Name(), markPrefix); ok {
			marked[name] = true
		}
	}
	volumes := map[string]reconcile.ActualVolume{}
	for _, entry := range entries {
		var stat unix.Stat_t
		err := unix.Lstat(filepath.Join(s.root(), entry.Name()), &stat)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a launcher has filled a volume and removed its mark
		}
		if err != nil {
			return nil, fmt.Errorf("list volumes: %s: %w", entry.Name(), err)
		}
		if stat.Mode&unix.S_IFMT == unix.S_IFDIR && checkName(entry.Name()) == nil {
			volumes[entry.Name()] = reconcile.ActualVolume{
				UID: int(stat.Uid), GID: int(stat.Gid), Mode: stat.Mode & permissions, Delete: marked[entry.Name()],
			}
		}
	}
	return volumes, nil
}

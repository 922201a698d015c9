// Package volumes keeps the directories of named volumes. It never removes one: data
// outlives its manifest.
package volumes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// Store is the node's named volumes.
type Store struct{}

// EnsureVolume leaves the volume's directory with its owner and mode. What is in it stays
// as it is.
func (Store) EnsureVolume(_ context.Context, name string, volume reconcile.Volume) error {
	if err := ensure(name, volume); err != nil {
		return fmt.Errorf("make volume %s: %w", name, err)
	}
	return nil
}

func ensure(name string, volume reconcile.Volume) error {
	if err := os.MkdirAll(bundle.VolumesDir, 0o700); err != nil {
		return err
	}
	// Below this root no link, made by whoever writes into the volume, leads elsewhere.
	root, err := os.OpenRoot(bundle.VolumesDir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", filepath.Join(bundle.VolumesDir, name))
	}
	if err := root.Lchown(name, volume.UID, volume.GID); err != nil {
		return err
	}
	if err := root.Chmod(name, fileMode(volume.Mode)); err != nil {
		return err
	}
	return disk.SyncDir(bundle.VolumesDir)
}

// fileMode turns permission bits, the upper three included, into Go's mode.
func fileMode(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits & 0o777)
	for bit, flag := range map[uint32]fs.FileMode{
		unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky,
	} {
		if bits&bit != 0 {
			mode |= flag
		}
	}
	return mode
}

// List returns the named volumes on the disk, by name.
func List() (map[string]reconcile.ActualVolume, error) {
	entries, err := os.ReadDir(bundle.VolumesDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	volumes := map[string]reconcile.ActualVolume{}
	for _, entry := range entries {
		var stat unix.Stat_t
		if err := unix.Lstat(filepath.Join(bundle.VolumesDir, entry.Name()), &stat); err != nil {
			return nil, fmt.Errorf("list volumes: %s: %w", entry.Name(), err)
		}
		if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
			volumes[entry.Name()] = reconcile.ActualVolume{UID: int(stat.Uid), GID: int(stat.Gid), Mode: stat.Mode & 0o7777}
		}
	}
	return volumes, nil
}

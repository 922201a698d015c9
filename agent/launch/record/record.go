// Package record reads and writes the records that launchers keep of each container below /run/davit: the configuration that it was
// started with, the bundle that it runs, why a start failed and how the last run ended.
//
// Every command of the launcher begins with a record, because each is another process. The package knows files only: no
// process, network or mount.
package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// Lock takes the lock of a container's record until this process ends. Without a record it locks nothing.
func Lock(id string) error {
	fd, err := unix.Open(File(id, bundle.ConfigFile), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lock the record of %s: %w", id, err)
	}
	for {
		if err := unix.Flock(fd, unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("flock", err)
		}
	}
}

// File is a file of the record of a container, which the container cannot change.
func File(id, name string) string {
	return filepath.Join(bundle.AttachmentsDir, id, name)
}

// ForgetRun removes the record of a run except its configuration and the place of its network, which the next run
// replaces.
func ForgetRun(id string) error {
	own := filepath.Join(bundle.AttachmentsDir, id)
	entries, err := os.ReadDir(own)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if name := entry.Name(); (name == bundle.ConfigFile || name == NetworkFile) && !entry.IsDir() {
			continue
		}
		if err := untrusted.RemoveAll(filepath.Join(own, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Dirs are the container's own directories.
func Dirs(id string) []string {
	return []string{filepath.Join(bundle.AttachmentsDir, id), filepath.Join(bundle.ContainersDir, id)}
}

// HasLeft reports whether a container without a record has left anything: it has a directory from when it starts
// until it is cleaned up.
func HasLeft(id string) bool {
	return slices.ContainsFunc(Dirs(id), func(dir string) bool {
		_, err := os.Lstat(dir)
		return err == nil
	})
}

// IsAt reports whether an open file is still the one at a path.
func IsAt(fd int, path string) bool {
	var open, named unix.Stat_t
	return unix.Fstat(fd, &open) == nil && unix.Lstat(path, &named) == nil && open.Dev == named.Dev && open.Ino == named.Ino
}

// Exists reports whether a path exists.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// NetworkFile notes which network namespace a container's network is in, by its inode.
const NetworkFile = "netns"

// Run is one run of a container: its bundle as it lies on disk.
type Run struct {
	*bundle.Bundle
	// Dir is the bundle's directory.
	Dir string
	// Text is the configuration as it lies there.
	Text []byte
}

// Claim makes the container's directories and records the run, before there is anything to undo: the bundle may be
// gone by the time that the run is undone.
func (r Run) Claim() error {
	own := filepath.Dir(bundle.RunningBundle(r.ID))
	for _, dir := range []string{bundle.RunDir, bundle.StateDir, own, filepath.Join(bundle.ContainersDir, r.ID), bundle.RuntimeDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if err := disk.WriteFile(File(r.ID, bundle.ConfigFile), r.Text, 0o600); err != nil {
		return err
	}
	if err := Lock(r.ID); err != nil {
		return err
	}
	return os.Symlink(r.Dir, bundle.RunningBundle(r.ID))
}

// Replace records that a running container has another bundle.
func (r Run) Replace() error {
	text, err := r.Encode()
	if err != nil {
		return err
	}
	if err := disk.WriteFile(File(r.ID, bundle.ConfigFile), text, 0o600); err != nil {
		return err
	}
	link := bundle.RunningBundle(r.ID)
	fresh := link + ".new"
	if err := untrusted.RemoveAll(fresh); err != nil {
		return err
	}
	if err := os.Symlink(r.Dir, fresh); err != nil {
		return err
	}
	return os.Rename(fresh, link)
}

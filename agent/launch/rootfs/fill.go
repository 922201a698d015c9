package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	continuity "github.com/containerd/continuity/fs"
	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/handover"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// fill gives a new volume the owner, mode and content of the image's directory at its mount point, as Docker and Podman
// do. Another launcher that mounts the volume waits until that is done, so no container sees half of it, and none can
// change it meanwhile.
func (r *Root) fill(source, destination string) error {
	name, isVolume := strings.CutPrefix(source, bundle.VolumesDir+"/")
	if !isVolume {
		return nil
	}
	mark, err := lockFresh(name)
	if mark == nil || err != nil {
		return err
	}
	defer mark.Close()
	if err := handover.WithTime(func() error { return r.fillFrom(destination, source, mark) }); err != nil {
		return fmt.Errorf("fill volume %s with the files of image %s at %s: %w", name, r.Image.Reference, destination, err)
	}
	return os.Remove(mark.Name())
}

// lockFresh locks the mark of a volume that is to be filled; nil for one that is not, or was by the time it had the lock.
func lockFresh(volume string) (*os.File, error) {
	mark, err := os.OpenFile(bundle.FreshVolume(volume), os.O_RDWR|os.O_APPEND|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	err = handover.WithTime(func() error { return os.NewSyscallError("flock", unix.Flock(int(mark.Fd()), unix.LOCK_EX)) })
	if err == nil && record.IsAt(int(mark.Fd()), mark.Name()) {
		return mark, nil
	}
	return nil, errors.Join(err, mark.Close())
}

// openInVolume opens a path inside a named volume. A container that mounts a part of a fresh volume does not fill it, and must
// not prevent that a container which mounts the whole fills it: the directory made for the part is noted in the volume's mark,
// and no container has access to its parent.
func openInVolume(name, volume, path string) (*os.File, error) {
	mark, err := lockFresh(name)
	if err != nil {
		return nil, err
	}
	if mark != nil {
		defer mark.Close()
		first, _, _ := strings.Cut(filepath.Clean(path), "/")
		if _, err := os.Lstat(filepath.Join(volume, first)); errors.Is(err, fs.ErrNotExist) {
			if _, err := mark.WriteString(first + "\n"); err != nil {
				return nil, err
			}
		}
	}
	return openBelow(volume, path)
}

// fillFrom fills a volume from a directory of the image, if the image has that directory, and the volume has no entries but
// those that its mark names. The copy is made next to the volume, synced, and then renamed. If that is interrupted, the next
// start copies again.
func (r *Root) fillFrom(destination, volume string, mark *os.File) error {
	from, err := pathrs.OpenInRoot(r.Path, destination)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer from.Close()
	isFresh, isEmpty, err := isFreshVolume(volume, mark)
	if info, statErr := from.Stat(); err != nil || statErr != nil || !isFresh || !info.IsDir() {
		return errors.Join(err, statErr)
	}
	staged := filepath.Join(bundle.VolumesDir, ".filling-"+filepath.Base(volume))
	if err := untrusted.RemoveAll(staged); err != nil {
		return err
	}
	// The labels of files are the node's, and come when the volume is mounted.
	err = continuity.CopyDir(staged, untrusted.Path(from), continuity.WithXAttrExclude("security.selinux"))
	if err == nil && r.users != nil {
		err = r.unmapOwners(staged)
	}
	if err == nil {
		err = syncTree(staged)
	}
	switch {
	case err != nil:
	case isEmpty:
		err = os.NewSyscallError("rename", unix.Rename(staged, volume)) // os.Rename replaces no directory, and this one is empty
	default:
		err = moveInto(volume, staged, mark)
	}
	return errors.Join(err, untrusted.RemoveAll(staged))
}

// isFreshVolume reports whether a volume is a directory, not a mount, without entries but those that its mark names, and whether
// it is empty.
func isFreshVolume(path string, mark *os.File) (isFresh, isEmpty bool, err error) {
	var own, parent unix.Stat_t
	if err := errors.Join(unix.Lstat(path, &own), unix.Lstat(filepath.Dir(path), &parent)); err != nil {
		return false, false, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return false, false, err
	}
	noted, err := io.ReadAll(mark)
	names := strings.Split(string(noted), "\n")
	isOther := func(entry fs.DirEntry) bool { return !slices.Contains(names, entry.Name()) }
	return own.Dev == parent.Dev && !slices.ContainsFunc(entries, isOther), len(entries) == 0, err
}

// moveInto moves the entries of a directory into a volume that is not empty, and replaces none there. They are noted in the
// mark first, so that the next start continues if this one is interrupted. The volume gets the directory's owner and mode.
func moveInto(volume, dir string, mark *os.File) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if _, err := mark.WriteString(entry.Name() + "\n"); err != nil {
			return err
		}
	}
	for _, entry := range entries {
		err := unix.Renameat2(unix.AT_FDCWD, filepath.Join(dir, entry.Name()), unix.AT_FDCWD, filepath.Join(volume, entry.Name()), unix.RENAME_NOREPLACE)
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return &os.PathError{Op: "rename", Path: filepath.Join(dir, entry.Name()), Err: err}
		}
	}
	var stat unix.Stat_t
	if err := unix.Lstat(dir, &stat); err != nil {
		return &os.PathError{Op: "lstat", Path: dir, Err: err}
	}
	if err := os.Lchown(volume, int(stat.Uid), int(stat.Gid)); err != nil {
		return err
	}
	return errors.Join(unix.Chmod(volume, stat.Mode&0o7777), syncTree(volume))
}

// unmapOwners gives files the owners that they have inside: the root file system shows those of the node. An owner that is not
// mapped is one already, because the image has another one there than the container. A file of several names is changed once.
func (r *Root) unmapOwners(dir string) error {
	changed := map[uint64]bool{} // by inode: the tree is on one file system
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		var stat unix.Stat_t
		if err == nil {
			err = unix.Lstat(path, &stat)
		}
		if err != nil || changed[stat.Ino] {
			return err
		}
		if stat.Nlink > 1 {
			changed[stat.Ino] = true
		}
		mode := stat.Mode
		uid, gid := r.users.Inside(stat.Uid, stat.Gid)
		if err := os.Lchown(path, uid, gid); err != nil {
			return err
		}
		if mode&unix.S_IFMT == unix.S_IFLNK {
			return nil
		}
		return unix.Chmod(path, mode&0o7777) // chown(2) takes set-id bits away
	})
}

// syncTree has all that was written to the file system of a directory reach the disk.
func syncTree(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer file.Close()
	return os.NewSyscallError("syncfs", unix.Syncfs(int(file.Fd())))
}

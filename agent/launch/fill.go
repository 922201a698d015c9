package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	continuity "github.com/containerd/continuity/fs"
	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// fill gives a volume that davit has just made what the image has where it is mounted: owner, mode and content, as Docker
// and Podman do. A launcher that mounts it too waits until that is done, so no container sees half of it, and none can
// change it meanwhile.
func (r *run) fill(source, destination string) error {
	name, isVolume := strings.CutPrefix(source, bundle.VolumesDir+"/")
	if !isVolume {
		return nil
	}
	mark, err := os.OpenFile(bundle.FreshVolume(name), os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer mark.Close()
	if err := unix.Flock(int(mark.Fd()), unix.LOCK_EX); err != nil {
		return os.NewSyscallError("flock", err)
	}
	if !isAt(int(mark.Fd()), mark.Name()) {
		return nil // another one has filled it meanwhile
	}
	if err := r.fillFrom(destination, source); err != nil {
		return fmt.Errorf("fill volume %s with what image %s has at %s: %w", name, r.Image.Reference, destination, err)
	}
	return os.Remove(mark.Name())
}

// fillFrom fills a volume from a directory of the image, if the image has that directory. The copy is made beside the
// volume, synced, and then renamed over it. If that is interrupted, the next start copies again.
func (r *run) fillFrom(destination, volume string) error {
	from, err := pathrs.OpenInRoot(r.rootfs, destination)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer from.Close()
	isEmpty, err := isEmptyDir(volume)
	if info, statErr := from.Stat(); err != nil || statErr != nil || !isEmpty || !info.IsDir() {
		return errors.Join(err, statErr)
	}
	staged := filepath.Join(bundle.VolumesDir, ".filling-"+filepath.Base(volume))
	if err := untrusted.RemoveAll(staged); err != nil {
		return err
	}
	// The labels of files are the node's, and come when the volume is mounted.
	err = continuity.CopyDir(staged, fmt.Sprintf("/proc/self/fd/%d", from.Fd()), continuity.WithXAttrExclude("security.selinux"))
	if err == nil && r.users != nil {
		err = r.unmapOwners(staged)
	}
	if err == nil {
		err = syncTree(staged)
	}
	if err == nil {
		err = os.NewSyscallError("rename", unix.Rename(staged, volume)) // os.Rename replaces no directory, and this one is empty
	}
	if err != nil {
		return errors.Join(err, untrusted.RemoveAll(staged))
	}
	return nil
}

// isEmptyDir reports whether a volume is a directory of its own file system's, not a mount, with nothing in it.
func isEmptyDir(path string) (bool, error) {
	var own, parent unix.Stat_t
	if err := errors.Join(unix.Lstat(path, &own), unix.Lstat(filepath.Dir(path), &parent)); err != nil {
		return false, err
	}
	entries, err := os.ReadDir(path)
	return err == nil && len(entries) == 0 && own.Dev == parent.Dev, err
}

// unmapOwners gives files the owners that they have inside: the root file system shows those of the node.
func (r *run) unmapOwners(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		var stat unix.Stat_t
		if err == nil {
			err = unix.Lstat(path, &stat)
		}
		if err != nil {
			return err
		}
		mode := stat.Mode
		if err := os.Lchown(path, unmapped(stat.Uid, r.ids.uid), unmapped(stat.Gid, r.ids.gid)); err != nil {
			return err
		}
		if mode&unix.S_IFMT == unix.S_IFLNK {
			return nil
		}
		return unix.Chmod(path, mode&0o7777) // chown(2) takes set-id bits away
	})
}

// unmapped is an owner as it is inside; -1 for one that is so already, because the image has another one there than the
// container, or the file has been seen by another name.
func unmapped(id, first uint32) int {
	if id < first {
		return -1
	}
	return int(id - first)
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

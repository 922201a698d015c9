package rootfs

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/namespaces"
)

// MoveMountBeneath is MOVE_MOUNT_BENEATH of move_mount(2), since Linux 6.5.
const moveMountBeneath = 0x200

// ReplaceMount replaces the mount whose root is target, in the mount namespace of a process, by tree, which is not
// mounted yet. open opens the current file at the mount point.
//
// The old mount does not stay below the new one: the kernel unmounts a mount on a directory that is removed in another
// mount namespace (rmdir(2)), as the directory of an earlier bundle is in time, and files mounted over it would be
// unmounted too.
func ReplaceMount(tree, target *os.File, pid int, open func() (*os.File, error)) error {
	err := replaceBeneath(tree, target, pid)
	if errors.Is(err, unix.EINVAL) { // the kernel does not know it
		return replaceAfter(tree, target, pid, open)
	}
	return err
}

// replaceBeneath replaces a mount so that the process sees one or the other at any moment.
func replaceBeneath(tree, target *os.File, pid int) error {
	return namespaces.InMounts(pid, func(files *os.File) error {
		if err := MoveMount(tree, target, moveMountBeneath); err != nil {
			return err
		}
		return unmount(files, target)
	})
}

// replaceAfter replaces a mount on kernels before Linux 6.5. For a moment the process sees neither of the two.
func replaceAfter(tree, target *os.File, pid int, open func() (*os.File, error)) error {
	err := namespaces.InMounts(pid, func(files *os.File) error { return unmount(files, target) })
	if err != nil {
		return err
	}
	place, err := open()
	if err != nil {
		return err
	}
	defer place.Close()
	return namespaces.InMounts(pid, func(*os.File) error { return MoveMount(tree, place, 0) })
}

// MoveMount attaches a mount that is detached yet to target.
func MoveMount(tree, target *os.File, flags int) error {
	const empty = unix.MOVE_MOUNT_F_EMPTY_PATH | unix.MOVE_MOUNT_T_EMPTY_PATH
	return os.NewSyscallError("move_mount", unix.MoveMount(int(tree.Fd()), "", int(target.Fd()), "", empty|flags))
}

// unmount unmounts the mount whose root is target, even if its path leads to another mount by now. files is the
// directory of this process's open files.
func unmount(files, target *os.File) error {
	if err := unix.Fchdir(int(files.Fd())); err != nil {
		return os.NewSyscallError("fchdir", err)
	}
	return os.NewSyscallError("umount", unix.Unmount(strconv.Itoa(int(target.Fd())), unix.MNT_DETACH))
}

// ReadOnlyTree returns a detached mount of a path, with the options of all files of a bundle.
func ReadOnlyTree(path string) (*os.File, error) {
	return Tree(path, unix.MountAttr{
		Attr_set:    unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV,
		Propagation: unix.MS_PRIVATE,
	})
}

// Tree returns a detached mount of a path and the mounts below it.
func Tree(path string, attributes unix.MountAttr) (*os.File, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return nil, os.NewSyscallError("open_tree", err)
	}
	tree := os.NewFile(uintptr(fd), path)
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attributes); err != nil {
		tree.Close()
		return nil, os.NewSyscallError("mount_setattr", err)
	}
	return tree, nil
}

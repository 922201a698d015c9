package launch

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// moveMountBeneath is MOVE_MOUNT_BENEATH of move_mount(2), since Linux 6.5.
const moveMountBeneath = 0x200

// replaceMount puts tree, which is mounted nowhere yet, in the place of the mount that target is the root of, in the
// mount namespace of a process. open opens what is there.
//
// Nothing stays below it: the kernel unmounts what is mounted on a directory that is removed in another mount
// namespace (rmdir(2)), as that of an earlier bundle is in time, and files mounted over it would go with it.
func replaceMount(tree, target *os.File, pid int, open func() (*os.File, error)) error {
	err := replaceBeneath(tree, target, pid)
	if errors.Is(err, unix.EINVAL) { // the kernel does not know it
		return replaceAfter(tree, target, pid, open)
	}
	return err
}

// replaceBeneath replaces a mount so that the process sees one or the other at any moment.
func replaceBeneath(tree, target *os.File, pid int) error {
	return inMountNamespace(pid, func(files *os.File) error {
		if err := moveMount(tree, target, moveMountBeneath); err != nil {
			return err
		}
		return unmount(files, target)
	})
}

// replaceAfter replaces a mount on kernels before Linux 6.5. For a moment the process sees neither of the two.
func replaceAfter(tree, target *os.File, pid int, open func() (*os.File, error)) error {
	err := inMountNamespace(pid, func(files *os.File) error { return unmount(files, target) })
	if err != nil {
		return err
	}
	place, err := open()
	if err != nil {
		return err
	}
	defer place.Close()
	return inMountNamespace(pid, func(*os.File) error { return moveMount(tree, place, 0) })
}

func moveMount(tree, target *os.File, flags int) error {
	const empty = unix.MOVE_MOUNT_F_EMPTY_PATH | unix.MOVE_MOUNT_T_EMPTY_PATH
	return os.NewSyscallError("move_mount", unix.MoveMount(int(tree.Fd()), "", int(target.Fd()), "", empty|flags))
}

// unmount unmounts the mount that target is the root of, whatever is mounted there. files is the directory of this
// process's open files.
func unmount(files, target *os.File) error {
	if err := unix.Fchdir(int(files.Fd())); err != nil {
		return os.NewSyscallError("fchdir", err)
	}
	return os.NewSyscallError("umount", unix.Unmount(strconv.Itoa(int(target.Fd())), unix.MNT_DETACH))
}

// inMountNamespace runs f in the mount namespace of a process, on a thread that ends with it and has a working
// directory of its own. It gives f the directory of this process's open files, which cannot be reached from there.
func inMountNamespace(pid int, f func(files *os.File) error) error {
	namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	if err != nil {
		return err
	}
	defer namespace.Close()
	files, err := os.Open("/proc/self/fd")
	if err != nil {
		return err
	}
	defer files.Close()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		// setns(2): a thread that shares its root with others cannot change it.
		err := os.NewSyscallError("unshare", unix.Unshare(unix.CLONE_FS))
		if err == nil {
			err = os.NewSyscallError("setns", unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNS))
		}
		if err == nil {
			err = f(files)
		}
		done <- err
	}()
	return <-done
}

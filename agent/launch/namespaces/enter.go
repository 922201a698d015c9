package namespaces

import (
	"fmt"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// NewNetwork makes a network namespace whose loopback is up, on a thread that ends with the goroutine because it stays
// locked. The descriptor keeps the namespace until this process exits; by then the container's own process is in it,
// and when that process ends the kernel removes the namespace with its devices. The file must stay in use for as long as
// its path is: the garbage collector closes it otherwise.
func NewNetwork() (*os.File, error) {
	type made struct {
		file *os.File
		err  error
	}
	done := make(chan made)
	go func() {
		runtime.LockOSThread()
		file, err := unshareNetwork()
		done <- made{file, err}
	}()
	result := <-done
	return result.file, result.err
}

func unshareNetwork() (*os.File, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	if err := upLoopback(); err != nil {
		return nil, err
	}
	return os.Open("/proc/thread-self/ns/net")
}

// upLoopback brings up the loopback device of this thread's network namespace.
func upLoopback() error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(loopback)
}

// Path names an open file for other processes, as long as this one lives.
func Path(file *os.File) string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), file.Fd())
}

// inNamespaces calls f on a thread in the namespaces, which ends with the goroutine because it
// stays locked.
func inNamespaces(namespaces []*os.File, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		for _, namespace := range namespaces {
			if err := unix.Setns(int(namespace.Fd()), 0); err != nil {
				done <- fmt.Errorf("enter a namespace: %w", err)
				return
			}
		}
		done <- f()
	}()
	return <-done
}

// InMounts runs f in the mount namespace of a process, on a thread that ends with it and has a working
// directory of its own. It gives f the directory of this process's open files, which cannot be reached from there.
func InMounts(pid int, f func(files *os.File) error) error {
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

// Package untrusted opens files that a container can change. The kernel makes an open(2) wait for a lease that a
// process holds on the file (fcntl(2), F_SETLEASE), for a writer of a FIFO, and for some devices: a container could
// stop whoever opens its files. Nothing here waits, follows a link at the end of a path, or leaves a descriptor to
// a program that is executed.
//
// It knows paths and descriptors. It must never know whose they are.
package untrusted

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// always are the flags of each open.
const always = unix.O_NONBLOCK | unix.O_NOFOLLOW | unix.O_CLOEXEC

var (
	// ErrLeased is returned for a file that a process holds a lease on. The kernel asks the process to give it up,
	// and takes it away after /proc/sys/fs/lease-break-time, 45 seconds.
	ErrLeased = errors.New("a process holds a lease on it (F_SETLEASE of fcntl(2))")
	// ErrNoFile is returned for anything but a regular file or a directory.
	ErrNoFile = errors.New("neither a file nor a directory")
)

// IsRefusal reports whether an error is one that the owner of a file can cause: a lease, an attribute of chattr(1),
// something else in its place, a file system that is full.
func IsRefusal(err error) bool {
	for _, cause := range []error{ErrLeased, ErrNoFile, unix.EPERM, unix.ELOOP, unix.ENOSPC, unix.EDQUOT} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}

// OpenDescriptor opens a file in a directory that no container can change. It is for those who open a thousand
// files, for which an [os.File] costs more than all the rest.
func OpenDescriptor(path string, flags int) (int, error) {
	fd, err := open(path, flags|always, 0)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// Open opens a file in a directory that no container can change.
func Open(path string, flags int) (*os.File, error) {
	fd, err := OpenDescriptor(path, flags)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), path)
	if _, err := statFile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// OpenDirectoryAt opens a directory that is in an open one.
func OpenDirectoryAt(dir int, name string) (*os.File, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOATIME|always, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// WriteFile makes a file in a directory that no container can change. An existing one is replaced: a process of
// an earlier run may still have it.
func WriteFile(path string, text []byte, mode fs.FileMode) error {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | always
	fd, err := open(path, flags, uint32(mode.Perm()))
	if errors.Is(err, unix.EEXIST) {
		if err = unix.Unlink(path); err == nil {
			fd, err = open(path, flags, uint32(mode.Perm()))
		}
	}
	if err != nil {
		return &fs.PathError{Op: "create", Path: path, Err: err}
	}
	if err := errors.Join(writeAll(fd, text), unix.Close(fd)); err != nil {
		return &fs.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}

func writeAll(fd int, text []byte) error {
	for len(text) > 0 {
		n, err := unix.Write(fd, text)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		text = text[max(n, 0):]
	}
	return nil
}

// Handle returns a handle of the file at a path of the node. Nothing is read or written by it, see [Reopen].
func Handle(path string) (*os.File, error) {
	return os.OpenFile(path, unix.O_PATH|unix.O_CLOEXEC, 0)
}

// Reopen opens the regular file or directory that a handle (O_PATH) stands for. Anything else is not opened, which
// alone has an effect on some devices.
func Reopen(handle *os.File, flags int) (*os.File, error) {
	if _, err := statFile(handle); err != nil {
		return nil, err
	}
	// The link of /proc is followed: it leads to the file of the handle.
	fd, err := open(Path(handle), flags|always&^unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: handle.Name(), Err: err}
	}
	return os.NewFile(uintptr(fd), handle.Name()), nil
}

// ReopenRoot is [Reopen] for a directory that entries are made in.
func ReopenRoot(handle *os.File) (*os.Root, error) {
	info, err := statFile(handle)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: handle.Name(), Err: unix.ENOTDIR}
	}
	return os.OpenRoot(Path(handle))
}

// OpenBelow opens a file for reading as a process sees it whose root directory is root: links are resolved within it.
func OpenBelow(root, name string) (*os.File, error) {
	top, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: root, Err: err}
	}
	defer unix.Close(top)
	inside := filepath.Join("/", name)
	fd, err := unix.Openat2(top, name, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: inside, Err: err}
	}
	handle := os.NewFile(uintptr(fd), inside)
	defer handle.Close()
	return Reopen(handle, unix.O_RDONLY)
}

// ReadSmall reads the regular file that a handle stands for, of at most so many bytes. It gives a process that holds
// a lease on the file a moment.
func ReadSmall(handle *os.File, most int64) ([]byte, error) {
	file, err := Patiently(func() (*os.File, error) { return Reopen(handle, unix.O_RDONLY) })
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, fmt.Errorf("not a file of at most %d bytes", most)
	}
	return io.ReadAll(io.LimitReader(file, most))
}

// patience are the pauses between attempts to open a file with a lease: a program that means well, such as a file
// server, gives it up at once when the kernel asks it to.
var patience = []time.Duration{
	time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, 500 * time.Millisecond,
}

// Patiently opens a file, a few times within a second if a process holds a lease on it. The caller holds no lock that
// others need.
func Patiently(open func() (*os.File, error)) (*os.File, error) {
	file, err := open()
	for _, pause := range patience {
		if !errors.Is(err, ErrLeased) {
			break
		}
		time.Sleep(pause)
		file, err = open()
	}
	return file, err
}

// Path is the path of the file of a handle, wherever that has been moved (proc_pid_fd(5)).
func Path(handle *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", handle.Fd()) }

func open(path string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Open(path, flags, mode)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return -1, ErrLeased
		case errors.Is(err, unix.ENXIO): // a FIFO without a reader, a socket, a device without a driver
			return -1, ErrNoFile
		default:
			return fd, err
		}
	}
}

func statFile(file *os.File) (fs.FileInfo, error) {
	info, err := file.Stat()
	if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: file.Name(), Err: ErrNoFile}
	}
	return info, err
}

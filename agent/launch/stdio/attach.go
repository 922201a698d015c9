package stdio

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// attachSocket is the name of the socket at which the process that copies a terminal's output accepts clients that
// attach, in the container's own directory, which is root's; see copier.c.
const attachSocket = "attach"

// listenAttach makes the socket. It is the caller's to close.
func listenAttach(id string) (*os.File, error) {
	return withAttachSocket(id, func(fd int, address unix.Sockaddr) error {
		if err := unix.Bind(fd, address); err != nil {
			return err
		}
		return unix.Listen(fd, 1)
	})
}

// ConnectAttach connects to the process that copies a terminal's output, which sends the terminal first and then its
// output.
func ConnectAttach(id string) (*os.File, error) { return withAttachSocket(id, unix.Connect) }

// withAttachSocket makes a socket for use with the address of a container's.
func withAttachSocket(id string, use func(fd int, address unix.Sockaddr) error) (*os.File, error) {
	// A socket's address has room for 107 bytes (unix(7)), a path with a container's id may have
	// more.
	dir, err := os.Open(filepath.Join(bundle.AttachmentsDir, id))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	socket := os.NewFile(uintptr(fd), attachSocket)
	path := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), attachSocket)
	if err := use(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	return socket, nil
}

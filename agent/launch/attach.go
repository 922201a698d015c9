package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// attachSocket is where the process that copies a terminal's output takes those who attach, in
// the container's own directory, which is root's; see copier.c.
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

// Attach joins this process's terminal with that of a container's main process, until that one
// ends or the detach keys are typed.
func Attach(id string, detachKeys []byte) error {
	if err := attach(id, detachKeys); err != nil {
		return fmt.Errorf("attach to %s: %w", id, err)
	}
	return nil
}

func attach(id string, detachKeys []byte) error {
	b, err := readRunning(id)
	if err != nil {
		return err
	}
	if !b.Spec.Process.Terminal {
		return errors.New("it has no terminal: its manifest has no tty: true")
	}
	output, err := withAttachSocket(id, unix.Connect)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("its terminal is not held, yet or any more: see systemctl status %s", id)
	}
	if err != nil {
		return err
	}
	defer output.Close()
	terminal, err := receiveFile(output)
	if err != nil {
		return fmt.Errorf("%w: are others attached?", err)
	}
	defer terminal.Close()
	host, err := openHost(true)
	if err != nil {
		return err
	}
	defer host.restore()
	if err := host.addReturns(); err != nil {
		return err
	}
	return followTerminal(host, terminal, output, detachKeys)
}

// followTerminal returns when the output ends, or when it was left.
func followTerminal(host *host, terminal, output *os.File, detachKeys []byte) error {
	before, err := unix.IoctlGetWinsize(int(terminal.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return os.NewSyscallError("ioctl TIOCGWINSZ", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- copyTerminal(output) }()
	select {
	case err := <-ended:
		return err
	case err := <-host.join(terminal, detachKeys):
		if !errors.Is(err, errDetached) {
			return err
		}
	}
	// Those who read the journal are used to the size it had.
	_ = unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, before)
	return nil
}

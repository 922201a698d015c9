package launch

import (
	"errors"
	"io"
	"os"
	"os/signal"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"
)

// joinTerminal receives the container's terminal from the socket and copies between it
// and the host's until the container's side is closed.
func joinTerminal(host console.Console, socket *os.File) error {
	file, err := receiveFile(socket)
	if err != nil {
		return err
	}
	inside, err := console.ConsoleFromFile(file)
	if err != nil {
		return err
	}
	// The host's terminal turns line feeds into new lines already.
	if err := console.ClearONLCR(inside.Fd()); err != nil {
		return err
	}
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	defer signal.Stop(resized)
	if err := inside.ResizeFrom(host); err != nil {
		return err
	}
	go func() {
		for range resized {
			// The window may be gone already.
			_ = inside.ResizeFrom(host)
		}
	}()
	go func() {
		// Ends with this process: a read from a terminal cannot be cancelled.
		_, _ = io.Copy(inside, os.Stdin)
	}()
	_, err = io.Copy(os.Stdout, inside)
	if errors.Is(err, unix.EIO) {
		return nil // pty(7): the last process with the other side open has closed it
	}
	return err
}

// receiveFile takes the one file descriptor that a message brings (unix(7), SCM_RIGHTS).
func receiveFile(socket *os.File) (*os.File, error) {
	name, control := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	n, length, _, _, err := unix.Recvmsg(int(socket.Fd()), name, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("recvmsg", err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:length])
	if err != nil || len(messages) != 1 {
		return nil, errors.New("the container's terminal did not come")
	}
	descriptors, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, os.NewSyscallError("parse the terminal's message", err)
	}
	return os.NewFile(uintptr(descriptors[0]), string(name[:n])), nil
}

func socketPair() (parent, child *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "console-parent"), os.NewFile(uintptr(fds[1]), "console-child"), nil
}

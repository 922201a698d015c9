package runtime

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// ReceiveFile takes the one file descriptor that a message brings (unix(7), SCM_RIGHTS).
func ReceiveFile(socket *os.File) (*os.File, error) {
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

// openTerminal makes a pseudoterminal (pts(4)).
func openTerminal(size *specs.Box) (outer, inner *os.File, err error) {
	outer, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	number, err := unix.IoctlGetInt(int(outer.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(outer.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(outer.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(size.Height), Col: uint16(size.Width)})
	}
	if err == nil {
		inner, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		return nil, nil, errors.Join(err, outer.Close())
	}
	return outer, inner, nil
}

// listen makes a socket in a directory whose path may be too long for a socket's.
func listen(dir, name string) (*net.UnixListener, error) {
	if err := os.Chdir(dir); err != nil {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // the name means another file elsewhere
	return listener, os.Chdir("/")
}

// consolePatience bounds how long a runtime that has ended may take to have sent its terminal.
const consolePatience = 5 * time.Second

// acceptFile takes the one file descriptor that the first who connects sends.
func acceptFile(listener *net.UnixListener) (*os.File, error) {
	if err := listener.SetDeadline(time.Now().Add(consolePatience)); err != nil {
		return nil, err
	}
	connection, err := listener.AcceptUnix()
	if err != nil {
		return nil, fmt.Errorf("take the terminal: %w", err)
	}
	defer connection.Close()
	socket, err := connection.File()
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	return ReceiveFile(socket)
}

// memoryFile returns a file in memory, without a path, with this content.
func memoryFile(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), name)
	if _, err := file.Write(content); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

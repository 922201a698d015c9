package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// namespace is the network namespace of a process. It keeps the namespace from going as long as
// it is open.
type namespace struct {
	file, node *os.File
}

// openNamespace opens the network namespace of a process.
func openNamespace(pid int) (*namespace, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return nil, fmt.Errorf("open the network namespace: %w", err)
	}
	node, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("open the node's network namespace: %w", err)
	}
	return &namespace{file, node}, nil
}

// Close releases the namespace.
func (n *namespace) Close() error { return errors.Join(n.file.Close(), n.node.Close()) }

// Dial connects from inside the namespace, so that no firewall of the node matters and a
// loopback is the container's own. A name is looked up as the node does. The network is tcp.
func (n *namespace) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	if literal, err := netip.ParseAddrPort(address); err == nil {
		return n.dial(ctx, literal)
	}
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", text)
	if err != nil {
		return nil, err
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var conn net.Conn
	for _, ip := range found {
		if conn, err = n.dial(ctx, netip.AddrPortFrom(ip.Unmap(), uint16(port))); err == nil {
			break
		}
	}
	return conn, err
}

// dial connects to one address. A socket stays in the namespace that it was made in, so nothing
// has to wait there.
func (n *namespace) dial(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
	family, remote := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(address.Port()), Addr: first4(address.Addr())})
	if address.Addr().Is6() {
		family, remote = unix.AF_INET6, &unix.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16()}
	}
	var fd int
	err := n.enter(func() (err error) {
		fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		return os.NewSyscallError("socket", err)
	})
	if err != nil {
		return nil, err
	}
	conn := &connection{os.NewFile(uintptr(fd), address.String()), address}
	if err := conn.connect(ctx, remote); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// connection is a TCP connection in as few system calls as possible: the options that package net sets on a
// socket are a large part of one that lives for a moment.
type connection struct {
	*os.File
	remote netip.AddrPort
}

// LocalAddr implements [net.Conn]; it is not used.
func (c *connection) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr implements [net.Conn].
func (c *connection) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

func first4(address netip.Addr) (ip [4]byte) {
	if address.Is4() {
		ip = address.As4()
	}
	return ip
}

// connect connects the socket, as long as the context allows.
func (c *connection) connect(ctx context.Context, remote unix.Sockaddr) error {
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	begun := false
	var failed error
	err = raw.Write(func(fd uintptr) (done bool) {
		if !begun {
			begun = true
			failed = unix.Connect(int(fd), remote)
			// On one machine it is decided by now, and waiting for the event costs more than asking.
			if !errors.Is(failed, unix.EINPROGRESS) {
				return true
			}
			if _, err := unix.Getpeername(int(fd)); err != nil {
				return false
			}
			failed = nil
			return true
		}
		// connect(2): writable means that it is decided, and SO_ERROR says how.
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		switch {
		case err != nil:
			failed = err
		case code != 0:
			failed = unix.Errno(code)
		default:
			failed = nil
		}
		return true
	})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	default:
		return failed
	}
}

// enter runs f on a thread that is in the namespace meanwhile; f must not wait. It takes no goroutine
// of its own: the runtime would wake up another thread to look for one.
func (n *namespace) enter(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the network namespace: %w", err)
	}
	err := f()
	if back := unix.Setns(int(n.node.Fd()), unix.CLONE_NEWNET); back != nil {
		// Other work of the node on this thread would be done in the container's network.
		panic(fmt.Sprintf("leave a container's network namespace: %v", back))
	}
	return err
}

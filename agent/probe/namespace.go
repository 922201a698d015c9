package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Namespace is the network namespace of a process. It keeps the namespace from going as long as
// it is open.
type Namespace struct {
	file, node *os.File
}

// OpenNamespace opens the network namespace of a process.
func OpenNamespace(pid int) (*Namespace, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return nil, fmt.Errorf("open the network namespace: %w", err)
	}
	node, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("open the node's network namespace: %w", err)
	}
	return &Namespace{file, node}, nil
}

// Close lets the namespace go.
func (n *Namespace) Close() error { return errors.Join(n.file.Close(), n.node.Close()) }

// Dial connects from inside the namespace, so that no firewall of the node matters and a
// loopback is the container's own. A name is looked up as the node does.
func (n *Namespace) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return n.dial(ctx, network, address)
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var conn net.Conn
	for _, ip := range found {
		if conn, err = n.dial(ctx, network, net.JoinHostPort(ip.Unmap().String(), port)); err == nil {
			break
		}
	}
	return conn, err
}

// dial connects to an address on a thread that is in the namespace meanwhile. A socket stays in the
// namespace that it was made in; of a literal address, net makes it on the calling thread.
func (n *Namespace) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = n.enter(func() error {
		var dialer net.Dialer
		conn, err = dialer.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// enter runs f in the namespace, on a thread that has nothing else to do.
func (n *Namespace) enter(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			done <- fmt.Errorf("enter the network namespace: %w", err)
			return
		}
		err := f()
		// A thread that cannot go back stays locked, and so ends with its goroutine.
		if unix.Setns(int(n.node.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

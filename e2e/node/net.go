package node

import (
	"context"
	"fmt"
	"net"
)

// Listen listens on an address of the node from outside, as if a process of the node did. The listener ends with the
// node's boot: after a reboot it must be re-created.
func (n *Node) Listen(network, address string) (net.Listener, error) {
	var listener net.Listener
	err := n.current().inside(func() (err error) {
		listener, err = net.Listen(network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen in node: %w", err)
	}
	return listener, nil
}

// Dial connects to an address of the node's network, which must be an IP address and a
// port: there is no name to look up in a node.
func (n *Node) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var connection net.Conn
	err := n.current().inside(func() (err error) {
		connection, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dial in node: %w", err)
	}
	return connection, nil
}

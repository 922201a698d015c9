package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/davit-project/davit/agent/bridge"
	"github.com/davit-project/davit/agent/nat"
	"github.com/davit-project/davit/units/bundle"
)

// Unpublish takes back the ports that davit's own network has given a container, if there is one. The caller calls
// finish last.
func Unpublish(b *bundle.Bundle) (finish func() error, err error) {
	nothing := func() error { return nil }
	if b == nil || len(b.Network.Ports) == 0 || len(b.Network.Attachments) == 0 {
		return nothing, nil
	}
	if _, own, err := bundle.DecodeBridgeNetwork(b.Network.Attachments[0].Conflist); !own || err != nil {
		return nothing, err
	}
	return nat.Unpublish(b.ID)
}

// Disconnect takes a container off its networks and out of its neighbours' /etc/hosts. Its processes are gone by then.
// It removes the port of a bridge, connections that the kernel tracks, leases, and has CNI plugins undo their work.
// Clients reconnect as long as its ports are published.
func Disconnect(ctx context.Context, b *bundle.Bundle, unpublished func() (func() error, error)) error {
	failures := []error{leave(b.ID)}
	for i, attachment := range b.Network.Attachments {
		if err := detach(ctx, b, i, attachment, unpublished); err != nil {
			failures = append(failures, fmt.Errorf("detach from network %s: %w", attachment.Network, err))
		}
	}
	return errors.Join(failures...)
}

func detach(ctx context.Context, b *bundle.Bundle, index int, attachment bundle.Attachment, unpublished func() (func() error, error)) error {
	unlock, err := lockNetwork(attachment.Network)
	if err != nil {
		return err
	}
	defer unlock()
	network, own, err := bundle.DecodeBridgeNetwork(attachment.Conflist)
	if err != nil {
		return err
	}
	if !own {
		return detachCNI(ctx, b, index, attachment)
	}
	return bridge.Detach(network, endpointOf(b, index), func(addresses []netip.Addr) error {
		if len(b.Network.Ports) == 0 {
			return nil // connections are made to it by its own address alone
		}
		_, err := unpublished()
		return errors.Join(err, nat.Forget(addresses, index == 0))
	})
}

// Package network attaches containers and sandboxes to networks, and has them find each other by name.
//
// A network is a CNI configuration list. Networks that davit defines are set up here, by agent/bridge and agent/nat, and
// all others by their CNI plugins. [Disconnect] undoes [Connect], and [Repair] restores missing parts of it. The package
// knows nothing of images and processes.
package network

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/bridge"
	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/listeners"
	"github.com/davit-project/davit/agent/nat"
	"github.com/davit-project/davit/agent/terminal"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// messages is the writer for warnings. They contain names of containers and answers of plugins.
var messages = terminal.NewWriter(os.Stderr)

// Network is the connection of a container to its networks.
type Network struct {
	Namespace
	// Addresses are those on all networks, in order.
	Addresses []string
}

// Connect attaches a container to its networks and writes its /etc/hosts. If the path of the namespace is empty it makes
// one. A container of a pod gets the addresses of its sandbox.
func Connect(ctx context.Context, b *bundle.Bundle, namespace Namespace) (network Network, err error) {
	network.Namespace = namespace
	switch {
	case b.Sandbox != "":
		network.Addresses, err = joinSandbox(b)
		return network, err
	case b.Network.Mode != bundle.NetworkCNI:
		return network, untrusted.WriteFile(bundle.EtcFile(b.ID, "hosts"), []byte(baseHosts(b)), 0o644)
	}
	// Before the namespace: a port that another program has is the error that says most.
	if err := listeners.Check(NewPorts(b, namespace.Kept, time.Now())); err != nil {
		return Network{}, err
	}
	if network.Path == "" {
		if network.Namespace, err = newNamespace(); err != nil {
			return Network{}, fmt.Errorf("make a network namespace: %w", err)
		}
	}
	return network, network.attachAll(ctx, b)
}

// attachAll attaches a container to its networks, and makes it known there once it has all its addresses.
func (n *Network) attachAll(ctx context.Context, b *bundle.Bundle) error {
	member := bundle.Member{
		ID: b.ID, Hostname: b.Spec.Hostname, Networks: map[string]bundle.Endpoint{},
		Unready: b.Replica && b.Health.HoldsStart(),
	}
	for i, attachment := range b.Network.Attachments {
		addresses, err := n.attach(ctx, b, i)
		if err != nil {
			return fmt.Errorf("attach to network %s: %w", attachment.Network, err)
		}
		n.Addresses = append(n.Addresses, addresses...)
		member.Networks[attachment.Network] = bundle.Endpoint{Names: attachment.Names, Addresses: addresses}
	}
	if len(n.Addresses) > 0 {
		if err := os.WriteFile(bundle.AddressFile(b.ID), []byte(n.Addresses[0]), 0o600); err != nil {
			return err
		}
	}
	return join(member, baseHosts(b))
}

// attach adds a container to its network of this index and returns its addresses there.
func (n *Network) attach(ctx context.Context, b *bundle.Bundle, index int) ([]string, error) {
	attachment := b.Network.Attachments[index]
	unlock, err := lockNetwork(attachment.Network)
	if err != nil {
		return nil, err
	}
	defer unlock()
	network, own, err := bundle.DecodeBridgeNetwork(attachment.Conflist)
	if err != nil {
		return nil, err
	}
	// If this fails, ExecStopPost= detaches, which CNI wants after a failed ADD too.
	if own {
		return attachBridge(b, index, n.Namespace, network)
	}
	return attachCNI(ctx, b, index, n.Path)
}

// attachBridge adds a container to a network that davit defines.
func attachBridge(b *bundle.Bundle, index int, namespace Namespace, network bundle.BridgeNetwork) ([]string, error) {
	end := endpointOf(b, index)
	end.Namespace, end.MAC = namespace.Path, b.Network.Attachments[index].MAC
	addresses, err := bridge.Attach(network, end)
	if err != nil {
		return nil, err
	}
	if len(addresses) < len(network.Subnets) {
		fmt.Fprintf(messages, "davit-run: network %s: the kernel has no IPv6 for it: the container has its IPv4 address alone\n", network.Name)
	}
	connected := nat.Endpoint{Container: b.ID, Network: network, Addresses: addresses, Fresh: !namespace.Kept}
	if index == 0 { // ports are published through the first network, as Docker and Podman do
		connected.Ports = b.Network.Ports
	}
	if err := nat.Connect(connected); err != nil {
		return nil, err
	}
	texts := make([]string, len(addresses))
	for i, address := range addresses {
		texts[i] = address.String()
	}
	return texts, nil
}

// endpointOf is the container's end of its network of this index.
func endpointOf(b *bundle.Bundle, index int) bridge.Endpoint {
	return bridge.Endpoint{Container: bundle.RuntimeID(b.ID), Interface: interfaceName(index), Addresses: b.Network.Attachments[index].Addresses}
}

func interfaceName(index int) string { return fmt.Sprintf("eth%d", index) }

// lockNetwork takes the network's lock, shared: launchers may add and delete at once,
// but not while the agent collects garbage.
func lockNetwork(network string) (unlock func(), err error) {
	return disk.Lock(bundle.NetworkLock(network), unix.LOCK_SH)
}

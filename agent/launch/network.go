package launch

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/bridge"
	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/listeners"
	"github.com/davit-project/davit/agent/nat"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// connect makes the container's network namespace, attaches it to its networks and
// writes its /etc/hosts.
func (r *run) connect(ctx context.Context) error {
	switch {
	case r.Sandbox != "":
		return r.joinSandbox()
	case r.Network.Mode != bundle.NetworkCNI:
		return untrusted.WriteFile(bundle.EtcFile(r.ID, "hosts"), []byte(baseHosts(r.Bundle)), 0o644)
	}
	if err := listeners.Check(r.newPorts(time.Now())); err != nil {
		return err
	}
	if r.netns == "" {
		if err := r.makeNetworkNamespace(); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
	}
	member := bundle.Member{
		ID: r.ID, Hostname: r.Spec.Hostname, Networks: map[string]bundle.Endpoint{},
		Unready: r.Replica && r.Health.HoldsStart(),
	}
	for i, attachment := range r.Network.Attachments {
		addresses, err := r.attach(ctx, i, attachment)
		if err != nil {
			return fmt.Errorf("attach to network %s: %w", attachment.Network, err)
		}
		r.addresses = append(r.addresses, addresses...)
		member.Networks[attachment.Network] = bundle.Endpoint{Names: attachment.Names, Addresses: addresses}
	}
	if len(r.addresses) > 0 {
		if err := os.WriteFile(bundle.AddressFile(r.ID), []byte(r.addresses[0]), 0o600); err != nil {
			return err
		}
	}
	return join(member, baseHosts(r.Bundle))
}

// heldFor is how long a container has its ports while it does not run: longer than the longest wait for the next start.
const heldFor = 10 * time.Minute

// newPorts are the ports that the container does not have yet. Those that it had it keeps when it starts again by itself, or is
// restarted: otherwise a user of the node could keep it down by listening where it publishes. The agent reports who does.
func (r *run) newPorts(now time.Time) []bundle.Port {
	if r.kept {
		return nil
	}
	last := lastRunOf(r.ID)
	if last == nil || now.Sub(last.At) > heldFor {
		return r.Network.Ports
	}
	return slices.DeleteFunc(slices.Clone(r.Network.Ports), func(port bundle.Port) bool { return slices.Contains(last.Ports, port) })
}

// attach adds the container to one network and returns its addresses there.
func (r *run) attach(ctx context.Context, index int, attachment bundle.Attachment) ([]string, error) {
	unlock, err := lockNetwork(attachment.Network)
	if err != nil {
		return nil, err
	}
	defer unlock()
	network, own, err := bundle.DecodeBridgeNetwork(attachment.Conflist)
	if err != nil {
		return nil, err
	}
	// Where this fails ExecStopPost= detaches, which CNI wants after a failed ADD too.
	if own {
		return r.attachBridge(index, attachment, network)
	}
	return r.attachCNI(ctx, index, attachment)
}

// attachBridge adds the container to a network of davit's own.
func (r *run) attachBridge(index int, attachment bundle.Attachment, network bundle.BridgeNetwork) ([]string, error) {
	end := endpointOf(r.Bundle, index)
	end.Namespace, end.MAC = r.netns, attachment.MAC
	addresses, err := bridge.Attach(network, end)
	if err != nil {
		return nil, err
	}
	if len(addresses) < len(network.Subnets) {
		fmt.Fprintf(messages, "davit-run: network %s: the kernel has no IPv6 for it: the container has its IPv4 address alone\n", network.Name)
	}
	connected := nat.Endpoint{Container: r.ID, Network: network, Addresses: addresses, Fresh: !r.kept}
	if index == 0 { // ports are published through the first network, as Docker and Podman do
		connected.Ports = r.Network.Ports
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

// unpublish takes back the ports that davit's own network has given a container, if there is one. The caller calls
// finish last.
func unpublish(b *bundle.Bundle) (finish func() error, err error) {
	nothing := func() error { return nil }
	if b == nil || len(b.Network.Ports) == 0 || len(b.Network.Attachments) == 0 {
		return nothing, nil
	}
	if _, own, err := bundle.DecodeBridgeNetwork(b.Network.Attachments[0].Conflist); !own || err != nil {
		return nothing, err
	}
	return nat.Unpublish(b.ID)
}

// disconnect takes a container off its networks and out of its neighbours' /etc/hosts. Its processes are gone by
// then. What is left to remove are the port of a bridge, connections that the kernel tracks, leases, and what CNI
// plugins did. Connections are made again as long as its ports are published.
func disconnect(ctx context.Context, b *bundle.Bundle, unpublished func() (func() error, error)) error {
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

// makeNetworkNamespace makes the container's. The descriptor keeps the namespace until this
// process exits; by then the container's own process is in it, and when that ends the kernel
// removes it with its devices. The path alone would not keep the descriptor from the garbage
// collector.
func (r *run) makeNetworkNamespace() error {
	namespace, err := newNetworkNamespace()
	if err != nil {
		return err
	}
	r.namespace = namespace
	r.netns = descriptorPath(namespace)
	return nil
}

// newNetworkNamespace makes a network namespace whose loopback is up. It is made on a
// thread of its own, which ends with the goroutine because it stays locked.
func newNetworkNamespace() (*os.File, error) {
	type made struct {
		file *os.File
		err  error
	}
	done := make(chan made)
	go func() {
		runtime.LockOSThread()
		file, err := unshareNetwork()
		done <- made{file, err}
	}()
	result := <-done
	return result.file, result.err
}

func unshareNetwork() (*os.File, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	if err := upLoopback(); err != nil {
		return nil, err
	}
	return os.Open("/proc/thread-self/ns/net")
}

// upLoopback brings up the loopback device of this thread's network namespace.
func upLoopback() error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(loopback)
}

// lockNetwork takes the network's lock, shared: launchers may add and delete at once,
// but not while the agent collects garbage.
func lockNetwork(network string) (unlock func(), err error) {
	return disk.Lock(bundle.NetworkLock(network), unix.LOCK_SH)
}

// Package bridge attaches containers to davit's own networks: a bridge device that has the subnets'
// gateway addresses, and a pair of devices for each container. It does in the launcher's process the work
// of the CNI plugins bridge and host-local. It knows nothing of ports and of address translation.
package bridge

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/davit-project/davit/units/bundle"
)

// Endpoint is a container's end of a network.
type Endpoint struct {
	// Container is the container's id, Interface the name of its device.
	Container, Interface string
	// Namespace is the path of its network namespace.
	Namespace string
	// Addresses are those it must have; a subnet that none is of lends one.
	Addresses []netip.Prefix
	// MAC is its hardware address; empty is one that belongs to its first address.
	MAC string
}

// Attach attaches a container and returns its addresses: one of each subnet, but none of IPv6 where the kernel has no
// IPv6 for the bridge or the container. If it fails, its leftovers are removed by [Detach] and the end of the
// namespace.
func Attach(network bundle.BridgeNetwork, end Endpoint) ([]netip.Addr, error) {
	bridge, subnets, err := ensureDevice(network)
	if err != nil {
		return nil, fmt.Errorf("bridge %s: %w", network.Device, err)
	}
	network.Subnets = subnets
	addresses, err := lend(network, end)
	if err != nil {
		return nil, err
	}
	if addresses, err = plug(network, bridge, end, addresses); err != nil {
		return nil, err
	}
	plain := make([]netip.Addr, len(addresses))
	for i, address := range addresses {
		plain[i] = address.Addr()
	}
	return plain, nil
}

// Detach removes the rest of a container on the network, once its processes have ended: its port of the
// bridge, and the leases of its addresses. Between the two, when no packets come from the container any more and
// no other has its addresses yet, forget ends the node's state of those.
func Detach(network bundle.BridgeNetwork, end Endpoint, forget func([]netip.Addr) error) error {
	failures := []error{unplug(network, end)}
	leases, err := leasesOf(network, end)
	failures = append(failures, err)
	var addresses []netip.Addr
	for _, lease := range leases {
		if address, err := netip.ParseAddr(filepath.Base(lease)); err == nil {
			addresses = append(addresses, address)
		}
	}
	failures = append(failures, forget(addresses))
	for _, lease := range leases {
		failures = append(failures, os.Remove(lease))
	}
	return errors.Join(failures...)
}

package bridge

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// MendDevice restores a network's bridge, with the routes to its subnets and the kernel's settings
// for it. Its desired state is on record of the network: a running container may have an earlier configuration.
func MendDevice(network bundle.BridgeNetwork) error {
	network = current(network)
	bridge, served, err := ensureDevice(network)
	for _, subnet := range served {
		if err == nil {
			err = ensureRoute(bridge, subnet)
		}
	}
	if err != nil {
		return fmt.Errorf("bridge %s: %w", network.Device, err)
	}
	return nil
}

// ensureRoute leaves the route to a subnet that the kernel adds with the address of the bridge.
func ensureRoute(bridge netlink.Link, subnet bundle.Subnet) error {
	routed, err := isRouted(bridge, subnet)
	if routed || err != nil {
		return err
	}
	route := &netlink.Route{LinkIndex: bridge.Attrs().Index, Dst: prefixOf(subnet.Subnet.Masked()), Protocol: unix.RTPROT_KERNEL}
	if subnet.Subnet.Addr().Is4() {
		route.Scope, route.Src = netlink.SCOPE_LINK, subnet.Gateway.AsSlice()
	} else {
		route.Priority = 256 // IP6_RT_PRIO_ADDRCONF of Linux' addrconf.h
	}
	if err := netlink.RouteReplace(route); err != nil {
		return fmt.Errorf("route to %s: %w", subnet.Subnet.Masked(), err)
	}
	return nil
}

// Mend restores the devices of a running container, with the addresses of the endpoint, which
// are the container's on this network, and their leases. The bridge is right by then. Other devices of the container
// stay, and if it administers its network itself, all inside stays unless the devices are gone.
// Connections go on where the devices are there still.
func Mend(network bundle.BridgeNetwork, end Endpoint, administers bool) error {
	bridge, err := netlink.LinkByName(network.Device)
	if err != nil {
		return fmt.Errorf("bridge %s: %w", network.Device, err)
	}
	if err := keepLeases(network, end); err != nil {
		return err
	}
	namespace, err := netns.GetFromPath(end.Namespace)
	if err != nil {
		return fmt.Errorf("open the network namespace: %w", err)
	}
	defer namespace.Close()
	inside, err := netlink.NewHandleAt(namespace, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer inside.Close()
	mended, err := mendPort(inside, network, bridge, end)
	if err == nil && !mended {
		err = makePair(namespace, inside, network, bridge, end, end.Addresses)
	}
	if err != nil {
		return fmt.Errorf("device %s: %w", PortName(network, end), err)
	}
	if mended && administers {
		return nil
	}
	if _, err := configure(inside, network, end, end.Addresses); err != nil {
		return fmt.Errorf("device %s of the container: %w", end.Interface, err)
	}
	return nil
}

// mendPort makes the node's end of a pair of devices a port of the bridge again. It reports false where there is no such
// pair.
func mendPort(inside *netlink.Handle, network bundle.BridgeNetwork, bridge netlink.Link, end Endpoint) (bool, error) {
	port, err := netlink.LinkByName(PortName(network, end))
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	device, err := inside.LinkByName(end.Interface)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return false, nil
	}
	if err != nil || device.Attrs().ParentIndex != port.Attrs().Index {
		return false, err
	}
	if port.Attrs().MasterIndex != bridge.Attrs().Index {
		if err := netlink.LinkSetMaster(port, bridge); err != nil {
			return false, err
		}
	}
	if port.Attrs().Flags&net.FlagUp == 0 {
		if err := netlink.LinkSetUp(port); err != nil {
			return false, err
		}
	}
	if err := netlink.LinkSetAlias(port, aliasOf(end, end.Addresses)); err != nil {
		return false, err
	}
	return true, netlink.LinkSetHairpin(port, true)
}

// keepLeases reserves the addresses that a running container has, also where a lease no longer says whose it is.
func keepLeases(network bundle.BridgeNetwork, end Endpoint) error {
	for _, address := range end.Addresses {
		file := leaseOf(network, address.Addr())
		if _, err := os.Lstat(file); err == nil && ownerOf(file) == "" {
			if err := os.Remove(file); err != nil {
				return err
			}
		}
	}
	subnets := network.Subnets
	network.Subnets = nil
	for _, subnet := range subnets { // without IPv6 a container has an address of one subnet alone
		for _, address := range end.Addresses {
			if subnet.Subnet.Contains(address.Addr()) {
				network.Subnets = append(network.Subnets, subnet)
			}
		}
	}
	_, err := lend(network, end)
	return err
}

// IsLent reports whether a container has the lease of its address on a network.
func IsLent(network bundle.BridgeNetwork, container string, address netip.Addr) bool {
	return ownerOf(leaseOf(network, address)) == container
}

func leaseOf(network bundle.BridgeNetwork, address netip.Addr) string {
	return filepath.Join(bundle.CNIDataDir, network.Name, address.String())
}

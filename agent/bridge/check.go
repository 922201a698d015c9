package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// The checks find changes of a network by others while containers run on it. Each returns
// the fault in words, "" for none, and changes nothing. [Mend] repairs it.

// CheckDevice checks a network's bridge, and the kernel's settings for it. Only the subnets count of which
// containers have addresses. The desired state of the bridge is on record of the network, as for [MendDevice].
func CheckDevice(network bundle.BridgeNetwork, inUse func(netip.Prefix) bool) (fault string, err error) {
	network = current(network)
	bridge, err := netlink.LinkByName(network.Device)
	switch {
	case errors.As(err, new(netlink.LinkNotFoundError)):
		return fmt.Sprintf("the bridge %s is gone", network.Device), nil
	case err != nil:
		return "", fmt.Errorf("bridge %s: %w", network.Device, err)
	case bridge.Type() != "bridge":
		return fmt.Sprintf("the device %s is no bridge", network.Device), nil
	case bridge.Attrs().Flags&net.FlagUp == 0:
		return fmt.Sprintf("the bridge %s is down", network.Device), nil
	case network.MTU != 0 && bridge.Attrs().MTU != network.MTU:
		return fmt.Sprintf("the bridge %s has the MTU %d instead of %d", network.Device, bridge.Attrs().MTU, network.MTU), nil
	}
	present, err := addressesOf(bridge)
	if err != nil {
		return "", fmt.Errorf("bridge %s: %w", network.Device, err)
	}
	for _, subnet := range network.Subnets {
		if !inUse(subnet.Subnet) {
			continue
		}
		if fault, err := checkSubnet(network, subnet, bridge, present); fault != "" || err != nil {
			return fault, err
		}
	}
	return "", nil
}

func checkSubnet(network bundle.BridgeNetwork, subnet bundle.Subnet, bridge netlink.Link, present []netlink.Addr) (fault string, err error) {
	gateway := netip.PrefixFrom(subnet.Gateway, subnet.Subnet.Bits())
	if !has(present, gateway) {
		return fmt.Sprintf("the bridge %s lacks its address %s", network.Device, gateway), nil
	}
	routed, err := isRouted(bridge, subnet)
	if err != nil {
		return "", fmt.Errorf("routes of bridge %s: %w", network.Device, err)
	}
	if !routed {
		return fmt.Sprintf("the node has no route to %s by the bridge %s", subnet.Subnet.Masked(), network.Device), nil
	}
	setting := forwarding(subnet)
	if value, err := readKernel(setting); err != nil || value == "0" {
		return setting + " is off", err
	}
	return "", nil
}

// has reports whether an address is among those of a device.
func has(present []netlink.Addr, address netip.Prefix) bool {
	want := addressOf(address).IPNet.String()
	for _, one := range present {
		if one.IPNet.String() == want {
			return true
		}
	}
	return false
}

// routesOf are the routes by a device to a subnet that the kernel adds with the device's address.
func routesOf(bridge netlink.Link, subnet bundle.Subnet) (routes []netlink.Route, err error) {
	family := netlink.FAMILY_V4
	if subnet.Subnet.Addr().Is6() {
		family = netlink.FAMILY_V6
	}
	filter := &netlink.Route{LinkIndex: bridge.Attrs().Index, Dst: prefixOf(subnet.Subnet.Masked())}
	for range maxLists {
		routes, err = netlink.RouteListFiltered(family, filter, netlink.RT_FILTER_OIF|netlink.RT_FILTER_DST)
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return routes, err
}

func isRouted(bridge netlink.Link, subnet bundle.Subnet) (bool, error) {
	routes, err := routesOf(bridge, subnet)
	return len(routes) > 0, err
}

func prefixOf(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}
}

// readKernel reads a kernel setting; "" is one that the kernel does not have.
func readKernel(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join("/proc/sys", name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(bytes.TrimSpace(text)), err
}

// CheckPort checks the node's end of a container's pair of devices. It reads the kernel's directories, which are
// right also while others come and go.
func CheckPort(network bundle.BridgeNetwork, end Endpoint) (fault string, err error) {
	name := PortName(network, end)
	dir := filepath.Join("/sys/class/net", name)
	flags, err := readDevice(dir, "flags")
	if err != nil {
		return "", err
	}
	if flags == "" {
		return fmt.Sprintf("its device %s is gone", end.Interface), nil
	}
	bits, err := strconv.ParseUint(flags, 0, 32)
	if err != nil {
		return "", fmt.Errorf("device %s: %w", name, err)
	}
	if bits&unix.IFF_UP == 0 {
		return fmt.Sprintf("the node's end of its device %s, %s, is down", end.Interface, name), nil
	}
	master, err := os.Readlink(filepath.Join(dir, "master"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if filepath.Base(master) != network.Device {
		return fmt.Sprintf("its device %s is no port of the bridge %s", end.Interface, network.Device), nil
	}
	hairpin, err := readDevice(dir, "brport/hairpin_mode")
	if err == nil && hairpin == "0" {
		return fmt.Sprintf("its device %s cannot reach the container's own published ports", end.Interface), nil
	}
	return "", err
}

// readDevice reads the kernel's state of a device; "" for one that is gone.
func readDevice(dir, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EINVAL) {
		return "", nil
	}
	return string(bytes.TrimSpace(text)), err
}

// CheckInside checks the container's end of its pair of devices: that it is up and has its addresses, and that the
// container has a way out.
func CheckInside(network bundle.BridgeNetwork, end Endpoint) (fault string, err error) {
	namespace, err := netns.GetFromPath(end.Namespace)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil // it has ended
	}
	if err != nil {
		return "", fmt.Errorf("open the network namespace: %w", err)
	}
	defer namespace.Close()
	inside, err := netlink.NewHandleAt(namespace, unix.NETLINK_ROUTE)
	if errors.Is(err, unix.EINVAL) {
		return "", nil // it is not mounted there any more, which is another fault
	}
	if err != nil {
		return "", err
	}
	defer inside.Close()
	device, err := inside.LinkByName(end.Interface)
	switch {
	case errors.As(err, new(netlink.LinkNotFoundError)):
		return fmt.Sprintf("its device %s is gone", end.Interface), nil
	case err != nil:
		return "", fmt.Errorf("device %s of the container: %w", end.Interface, err)
	case device.Attrs().Flags&net.FlagUp == 0:
		return fmt.Sprintf("its device %s is down", end.Interface), nil
	}
	present, err := inside.AddrList(device, netlink.FAMILY_ALL)
	if err != nil {
		return "", fmt.Errorf("device %s of the container: %w", end.Interface, err)
	}
	for _, address := range end.Addresses {
		if !has(present, address) {
			return fmt.Sprintf("its device %s lacks the address %s", end.Interface, address), nil
		}
		if network.Internal {
			continue
		}
		leads, err := leadsOut(inside, address)
		if err != nil {
			return "", fmt.Errorf("routes of the container: %w", err)
		}
		if !leads {
			return fmt.Sprintf("it has no route by the gateway %s", gatewayOf(network, address)), nil
		}
	}
	return "", nil
}

// leadsOut reports whether there is a default route of an address's IP version, be it by another network.
func leadsOut(inside *netlink.Handle, address netip.Prefix) (bool, error) {
	family := netlink.FAMILY_V4
	if address.Addr().Is6() {
		family = netlink.FAMILY_V6
	}
	routes, err := inside.RouteList(nil, family)
	if err != nil {
		return false, err
	}
	for _, route := range routes {
		if route.Dst == nil || route.Dst.IP.IsUnspecified() {
			return true, nil
		}
	}
	return false, nil
}

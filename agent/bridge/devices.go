package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// ensureDevice brings the bridge into its desired state: up, with the gateways' addresses and no others. It returns the
// subnets that the bridge serves. Several launchers may do so at once.
func ensureDevice(network bundle.BridgeNetwork) (netlink.Link, []bundle.Subnet, error) {
	bridge, err := netlink.LinkByName(network.Device)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		bridge, err = makeDevice(network)
	}
	if err != nil {
		return nil, nil, err
	}
	mark, own, err := MarkOf(bridge)
	if err != nil {
		return nil, nil, err
	}
	if !own {
		return nil, nil, errors.New("a device of this name exists that davit did not make: give the network another interface")
	}
	// Until it is up, whoever made it may not have come any further.
	isUp := bridge.Attrs().Flags&net.FlagUp != 0
	if !isUp {
		if err := prepareDevice(network.Device); err != nil {
			return nil, nil, err
		}
	}
	if network.MTU != 0 && bridge.Attrs().MTU != network.MTU {
		if err := netlink.LinkSetMTU(bridge, network.MTU); err != nil {
			return nil, nil, err
		}
	}
	subnets, err := ensureAddresses(network, bridge, mark)
	if err != nil {
		return nil, nil, err
	}
	if !isUp {
		if err := netlink.LinkSetUp(bridge); err != nil {
			return nil, nil, err
		}
	}
	return bridge, subnets, forward(network)
}

func makeDevice(network bundle.BridgeNetwork) (netlink.Link, error) {
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU = network.Device, network.MTU
	// One that it does not choose itself: that would change with the devices that are plugged in.
	attributes.HardwareAddr = macOf(network.Subnets[0].Gateway)
	err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attributes})
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, err
	}
	return netlink.LinkByName(network.Device)
}

// prepareDevice prepares a bridge for addresses: no router behind it tells the node of routes, and a node may
// have no IPv6 elsewhere.
func prepareDevice(name string) error {
	for _, setting := range []string{"accept_ra", "disable_ipv6"} {
		if err := setKernel("net/ipv6/conf/"+name+"/"+setting, "0"); err != nil {
			return err
		}
	}
	return nil
}

// forward has the node's kernel route between its devices.
func forward(network bundle.BridgeNetwork) error {
	for _, subnet := range network.Subnets {
		setting := forwarding(subnet)
		value, err := readKernel(setting)
		if err == nil && value == "0" && subnet.Subnet.Addr().Is6() {
			err = keepRouters(devicesDir)
		}
		if err == nil && value == "0" {
			err = os.WriteFile(filepath.Join("/proc/sys", setting), []byte("1"), 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// devicesDir has the settings of each device for IPv6.
const devicesDir = "/proc/sys/net/ipv6/conf"

// keepRouters has devices go on to take their routes from routers: of one that forwards, the kernel takes none unless
// accept_ra is 2, and forgets those that it has (ip-sysctl.rst in Linux' documentation). A device that comes later is not
// davit's to set up.
func keepRouters(dir string) error {
	devices, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, device := range devices {
		if device.Name() == "all" || device.Name() == "default" {
			continue
		}
		accepts := filepath.Join(dir, device.Name(), "accept_ra")
		isHost, err := os.ReadFile(filepath.Join(dir, device.Name(), "forwarding"))
		text, failure := os.ReadFile(accepts)
		if errors.Join(err, failure) != nil || string(bytes.TrimSpace(isHost)) != "0" || string(bytes.TrimSpace(text)) != "1" {
			continue // it is gone, or takes none now
		}
		if err := os.WriteFile(accepts, []byte("2"), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// forwarding is the kernel setting by which the node routes packets from a subnet.
func forwarding(subnet bundle.Subnet) string {
	if subnet.Subnet.Addr().Is6() {
		return "net/ipv6/conf/all/forwarding"
	}
	return "net/ipv4/ip_forward"
}

// setKernel sets a kernel setting that has another value.
func setKernel(name, value string) error {
	file := filepath.Join("/proc/sys", name)
	text, err := os.ReadFile(file)
	if err == nil && string(bytes.TrimSpace(text)) == value {
		return nil
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil // the kernel has no IPv6
	}
	return os.WriteFile(file, []byte(value), 0)
}

// plug leaves a pair of devices, one a port of the bridge, the other in the container. Of a network that was
// kept both are there already. It returns the addresses that the container has.
func plug(network bundle.BridgeNetwork, bridge netlink.Link, end Endpoint, addresses []netip.Prefix) ([]netip.Prefix, error) {
	namespace, err := netns.GetFromPath(end.Namespace)
	if err != nil {
		return nil, fmt.Errorf("open the network namespace: %w", err)
	}
	defer namespace.Close()
	inside, err := netlink.NewHandleAt(namespace, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	defer inside.Close()
	there, err := isPlugged(inside, network, bridge, end, addresses)
	if err == nil && !there {
		err = makePair(namespace, inside, network, bridge, end, addresses)
	}
	if err != nil {
		return nil, fmt.Errorf("device %s: %w", PortName(network, end), err)
	}
	if addresses, err = configure(inside, network, end, addresses); err != nil {
		return nil, fmt.Errorf("device %s of the container: %w", end.Interface, err)
	}
	return addresses, nil
}

// isPlugged reports whether the container's device exists, and its other end is the port of this bridge.
func isPlugged(inside *netlink.Handle, network bundle.BridgeNetwork, bridge netlink.Link, end Endpoint, addresses []netip.Prefix) (bool, error) {
	device, err := inside.LinkByName(end.Interface)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	port, err := netlink.LinkByName(PortName(network, end))
	if err != nil && !errors.As(err, new(netlink.LinkNotFoundError)) {
		return false, err
	}
	present, err := inside.AddrList(device, netlink.FAMILY_ALL)
	if err != nil {
		return false, err
	}
	return port != nil && device.Attrs().ParentIndex == port.Attrs().Index && isPortOf(port, bridge) && areAmong(present, addresses), nil
}

func isPortOf(port, bridge netlink.Link) bool {
	return port.Attrs().MasterIndex == bridge.Attrs().Index && port.Attrs().Flags&net.FlagUp != 0
}

// areAmong reports whether a device has none but these addresses, and those of the kernel.
func areAmong(present []netlink.Addr, addresses []netip.Prefix) bool {
	return !slices.ContainsFunc(present, func(has netlink.Addr) bool {
		return !has.IP.IsLinkLocalUnicast() && !slices.ContainsFunc(addresses, func(address netip.Prefix) bool {
			return addressOf(address).IPNet.String() == has.IPNet.String()
		})
	})
}

// makePair makes the pair of devices, in the place of one that is not as it should be.
func makePair(namespace netns.NsHandle, inside *netlink.Handle, network bundle.BridgeNetwork, bridge netlink.Link, end Endpoint, addresses []netip.Prefix) error {
	mac := macOf(addresses[0].Addr())
	if end.MAC != "" {
		var err error
		if mac, err = net.ParseMAC(end.MAC); err != nil {
			return err
		}
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU = PortName(network, end), network.MTU
	attributes.MasterIndex, attributes.Flags = bridge.Attrs().Index, net.FlagUp
	port := &netlink.Veth{
		LinkAttrs: attributes, PeerName: end.Interface, PeerHardwareAddr: mac, PeerTxQLen: -1,
		PeerNamespace: netlink.NsFd(namespace),
	}
	err := netlink.LinkAdd(port)
	if errors.Is(err, unix.EEXIST) { // either end, of an earlier run without a clean-up
		err = errors.Join(remove(&netlink.Handle{}, attributes.Name), remove(inside, end.Interface))
		if err == nil {
			err = netlink.LinkAdd(port)
		}
	}
	if err != nil {
		return err
	}
	// The kernel takes no alias for a device that it makes (rtnl_create_link in Linux' rtnetlink.c).
	if err := netlink.LinkSetAlias(port, aliasOf(end, addresses)); err != nil {
		return err
	}
	// A container may ask for itself by a port of the node.
	return netlink.LinkSetHairpin(port, true)
}

// unplug takes the container's port off the bridge and its name from it. The kernel removes the device with the
// namespace that its other end is in, which systemd may still have; to have that done at once takes 15 ms.
func unplug(network bundle.BridgeNetwork, end Endpoint) error {
	name := PortName(network, end)
	port, err := netlink.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find device %s: %w", name, err)
	}
	gone := fmt.Sprintf("gone%d", port.Attrs().Index)
	for _, err := range []error{netlink.LinkSetDown(port), netlink.LinkSetNoMaster(port), netlink.LinkSetName(port, gone)} {
		if err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("take device %s off: %w", name, err)
		}
	}
	return nil
}

// remove removes a device of the handle's namespace, which is this thread's own for an empty one, and its other
// end with it.
func remove(handle *netlink.Handle, name string) error {
	device, err := handle.LinkByName(name)
	if err == nil {
		err = handle.LinkDel(device)
	}
	if errors.As(err, new(netlink.LinkNotFoundError)) || errors.Is(err, unix.ENODEV) {
		return nil // it went with its namespace
	}
	return err
}

// configure gives the container's device its addresses and routes, and returns the addresses that it has.
func configure(inside *netlink.Handle, network bundle.BridgeNetwork, end Endpoint, addresses []netip.Prefix) ([]netip.Prefix, error) {
	device, err := inside.LinkByName(end.Interface)
	if err != nil {
		return nil, err
	}
	var has []netip.Prefix
	for _, address := range addresses {
		err := inside.AddrAdd(device, addressOf(address))
		if err != nil && len(addresses) > 1 && address.Addr().Is6() && isNoIPv6(err) {
			continue // settings of the container's own may switch it off
		}
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return nil, fmt.Errorf("address %s: %w", address, err)
		}
		has = append(has, address)
	}
	if err := inside.LinkSetUp(device); err != nil {
		return nil, err
	}
	if network.Internal {
		return has, nil
	}
	for _, address := range has {
		gateway := gatewayOf(network, address)
		route := &netlink.Route{LinkIndex: device.Attrs().Index, Gw: gateway.AsSlice()}
		// Another network of the container's may have the default route already.
		if err := inside.RouteAdd(route); err != nil && !errors.Is(err, unix.EEXIST) {
			return nil, fmt.Errorf("route by %s: %w", gateway, err)
		}
	}
	return has, nil
}

// gatewayOf is the gateway of the subnet that an address is of.
func gatewayOf(network bundle.BridgeNetwork, address netip.Prefix) netip.Addr {
	for _, subnet := range network.Subnets {
		if subnet.Subnet.Contains(address.Addr()) {
			return subnet.Gateway
		}
	}
	return netip.Addr{}
}

// addressOf is an address for a device. It is unique, so the kernel need not ask the network for a
// second whether it is in use (RFC 4862, duplicate address detection).
func addressOf(address netip.Prefix) *netlink.Addr {
	made := &netlink.Addr{IPNet: &net.IPNet{
		IP: address.Addr().AsSlice(), Mask: net.CIDRMask(address.Bits(), address.Addr().BitLen()),
	}}
	if address.Addr().Is6() {
		made.Flags = unix.IFA_F_NODAD
	}
	return made
}

// macOf is a hardware address, administered locally (IEEE 802), that belongs to an address: the
// neighbours' entry of the address stays right for the next container that has it.
func macOf(address netip.Addr) net.HardwareAddr {
	sum := fnv.New32a()
	sum.Write(address.AsSlice())
	tail := sum.Sum(nil)
	if address.Is4() {
		tail = address.AsSlice()
	}
	return slices.Concat(macPrefix, tail)
}

// macPrefix begins all hardware addresses that davit chooses.
var macPrefix = net.HardwareAddr{0x02, 'd'}

// PortName is the name of the bridge's port for a container, of at most 15 bytes (IFNAMSIZ, netdevice(7)).
func PortName(network bundle.BridgeNetwork, end Endpoint) string {
	sum := fnv.New64a()
	fmt.Fprint(sum, network.Name, "/", end.Container, "/", end.Interface)
	return fmt.Sprintf("veth%010x", sum.Sum64()&0xff_ffff_ffff)
}

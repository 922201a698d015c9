package networks

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/bridge"
	"github.com/davit-project/davit/reconcile/resolve"
)

// Foreign returns the devices of these names that davit did not make.
func Foreign(names []string) ([]string, error) {
	var foreign []string
	for _, name := range names {
		link, err := netlink.LinkByName(name)
		if errors.As(err, new(netlink.LinkNotFoundError)) {
			continue
		}
		own := false
		if err == nil {
			_, own, err = bridge.MarkOf(link)
		}
		if err != nil {
			return nil, fmt.Errorf("look at device %s: %w", name, err)
		}
		if !own {
			foreign = append(foreign, name)
		}
	}
	return foreign, nil
}

// nodeRanges returns the addresses that the node uses itself, sorted: those of its devices and those that it has routes
// to, without those of davit and those that no network can have. It asks the kernel for two lists, and for each device that
// is in them once.
func nodeRanges() ([]resolve.Range, error) {
	var devices devices
	found := map[netip.Prefix]resolve.Range{}
	addresses, err := dump(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list the node's addresses: %w", err)
	}
	for _, address := range addresses {
		if err := devices.add(found, address.IPNet, address.LinkIndex, false); err != nil {
			return nil, err
		}
	}
	routes, err := dump(func() ([]netlink.Route, error) {
		unicast := &netlink.Route{Table: unix.RT_TABLE_UNSPEC, Type: unix.RTN_UNICAST}
		return netlink.RouteListFiltered(netlink.FAMILY_ALL, unicast, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE)
	})
	if err != nil {
		return nil, fmt.Errorf("list the node's routes: %w", err)
	}
	for _, route := range routes {
		index := route.LinkIndex
		if len(route.MultiPath) > 0 {
			index = route.MultiPath[0].LinkIndex
		}
		if err := devices.add(found, route.Dst, index, true); err != nil {
			return nil, err
		}
	}
	ranges := make([]resolve.Range, 0, len(found))
	for _, used := range found {
		ranges = append(ranges, used)
	}
	slices.SortFunc(ranges, func(a, b resolve.Range) int {
		return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), a.Prefix.Bits()-b.Prefix.Bits())
	})
	return ranges, nil
}

// maxDumps is how often the kernel is asked for a list that changed while it was read.
const maxDumps = 100

// dump returns a list that did not change while it was read: one with gaps would let a network take addresses in use.
func dump[T any](list func() ([]T, error)) (listed []T, err error) {
	for range maxDumps {
		if listed, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return listed, err
}

// devices are the names of devices that davit did not make, by index; davit's own have none.
type devices map[int]string

// add adds a range, unless davit made its device.
func (d *devices) add(found map[netip.Prefix]resolve.Range, of *net.IPNet, index int, routed bool) error {
	prefix, ok := rangeOf(of)
	if !ok {
		return nil
	}
	if _, known := found[prefix]; known {
		return nil
	}
	name, err := d.name(index)
	if err == nil && name != "" {
		found[prefix] = resolve.Range{Prefix: prefix, Device: name, Routed: routed}
	}
	return err
}

// rangeOf is the range of an address or a route; ok is false for one that no network can have, and for a default route, which
// is for all other packets. Tunnels write the default route as its two halves.
func rangeOf(of *net.IPNet) (prefix netip.Prefix, ok bool) {
	if of == nil {
		return netip.Prefix{}, false
	}
	address, ok := netip.AddrFromSlice(of.IP)
	if !ok {
		return netip.Prefix{}, false
	}
	length, _ := of.Mask.Size()
	prefix = netip.PrefixFrom(address.Unmap(), length).Masked()
	address = prefix.Addr()
	return prefix, length > 1 && !address.IsLoopback() && !address.IsLinkLocalUnicast() && !address.IsMulticast()
}

// name is the name of a device that davit did not make; empty for one that davit made, and for one that is gone.
func (d *devices) name(index int) (string, error) {
	if name, known := (*d)[index]; known {
		return name, nil
	}
	name := ""
	link, err := netlink.LinkByIndex(index)
	if err == nil {
		var own bool
		if _, own, err = bridge.MarkOf(link); !own {
			name = link.Attrs().Name
		}
	}
	if err != nil && !errors.As(err, new(netlink.LinkNotFoundError)) {
		return "", fmt.Errorf("look at device %d: %w", index, err)
	}
	if *d == nil {
		*d = devices{}
	}
	(*d)[index] = name
	return name, nil
}

package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// ensureAddresses gives the bridge the gateways' addresses, and deletes those that davit added for an earlier
// configuration. It returns the subnets whose gateway the bridge is. The mark lists an address before it is added, and
// until it is deleted.
func ensureAddresses(network bundle.BridgeNetwork, bridge netlink.Link, mark Mark) (served []bundle.Subnet, err error) {
	present, err := prefixesOf(bridge)
	if err != nil {
		return nil, err
	}
	var wanted []netip.Prefix
	for _, subnet := range network.Subnets {
		wanted = append(wanted, netip.PrefixFrom(subnet.Gateway, subnet.Subnet.Bits()))
	}
	mark = mark.claim(network, bridge, wanted, present)
	if err := setMark(bridge, mark); err != nil {
		return nil, err
	}
	for i, subnet := range network.Subnets {
		var refused error
		if !slices.Contains(present, wanted[i]) {
			refused = addAddress(bridge, addressOf(wanted[i]))
		}
		switch {
		case refused == nil:
			served = append(served, subnet)
		case len(network.Subnets) > 1 && subnet.Subnet.Addr().Is6() && isNoIPv6(refused):
		default:
			return nil, fmt.Errorf("address %s: %w", wanted[i], refused)
		}
	}
	for _, address := range mark.Added {
		if slices.Contains(wanted, address) || !slices.Contains(present, address) {
			continue
		}
		if err := netlink.AddrDel(bridge, addressOf(address)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return nil, fmt.Errorf("address %s: %w", address, err)
		}
	}
	return served, setMark(bridge, mark.keeps(func(address netip.Prefix) bool { return slices.Contains(wanted, address) }))
}

// claim is the mark of a bridge that is about to get the addresses that it lacks. Without a mark of a network, the
// bridge has from an older davit the address that its hardware address belongs to, and those that are wanted.
func (m Mark) claim(network bundle.BridgeNetwork, bridge netlink.Link, wanted, present []netip.Prefix) Mark {
	unmarked := m.Network == ""
	claimed := Mark{Network: network.Name}
	for _, address := range wanted {
		if unmarked || slices.Contains(m.Added, address) || !slices.Contains(present, address) {
			claimed.Added = append(claimed.Added, address)
		}
	}
	for _, address := range present {
		first := unmarked && bytes.Equal(macOf(address.Addr()), bridge.Attrs().HardwareAddr)
		if (first || slices.Contains(m.Added, address)) && !slices.Contains(claimed.Added, address) {
			claimed.Added = append(claimed.Added, address)
		}
	}
	return claimed
}

// addAddress adds an address to a bridge. Whoever switches off IPv6 for all devices (net.ipv6.conf.all.disable_ipv6)
// switches it off for those that there are, too.
func addAddress(bridge netlink.Link, address *netlink.Addr) error {
	err := netlink.AddrAdd(bridge, address)
	if errors.Is(err, unix.EACCES) {
		if err := prepareDevice(bridge.Attrs().Name); err != nil {
			return err
		}
		err = netlink.AddrAdd(bridge, address)
	}
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

// isNoIPv6 reports whether the kernel refuses an address of IPv6 because it has no IPv6, for the device or at all.
func isNoIPv6(err error) bool {
	return slices.ContainsFunc([]error{unix.EACCES, unix.EAFNOSUPPORT, unix.EOPNOTSUPP}, func(errno error) bool {
		return errors.Is(err, errno)
	})
}

// maxLists bounds the requests for a list that changes while the kernel sends it, as happens
// when many containers come and go at once.
const maxLists = 100

func addressesOf(link netlink.Link) (addresses []netlink.Addr, err error) {
	for range maxLists {
		addresses, err = netlink.AddrList(link, netlink.FAMILY_ALL)
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return addresses, err
}

// prefixesOf are the addresses of a device.
func prefixesOf(link netlink.Link) ([]netip.Prefix, error) {
	present, err := addressesOf(link)
	if err != nil {
		return nil, err
	}
	var prefixes []netip.Prefix
	for _, address := range present {
		if ip, ok := netip.AddrFromSlice(address.IP); ok {
			length, _ := address.Mask.Size()
			prefixes = append(prefixes, netip.PrefixFrom(ip.Unmap(), length))
		}
	}
	return prefixes, nil
}

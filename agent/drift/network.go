package drift

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Groups of rtnetlink(7), with those of forwarding that only linux/rtnetlink.h names.
var routeGroups = []int{
	unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
	unix.RTNLGRP_IPV4_NETCONF, unix.RTNLGRP_IPV6_NETCONF,
}

// socket receives notices of changes by one of netlink's protocols.
type socket struct {
	fd       int
	concerns func(header unix.NlMsghdr, data []byte) bool
	buffer   []byte
}

// listenRoute listens for the removal of devices, addresses and routes, on the node and in the namespaces of containers,
// and for changes of bridges and of forwarding. It calls bridge for each bridge that is added, changed or removed.
func listenRoute(bridge func(name string)) (*socket, error) {
	// Without the capability CAP_NET_BROADCAST events of containers' own network namespaces are not heard.
	hearAll := func(fd int) error {
		err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_LISTEN_ALL_NSID, 1)
		if errors.Is(err, unix.EPERM) {
			return nil
		}
		return err
	}
	s, err := listen(unix.NETLINK_ROUTE, routeGroups, hearAll, isRouteLoss(bridge))
	if err != nil {
		return nil, fmt.Errorf("listen to changes of the network: %w", err)
	}
	return s, nil
}

// listenRules listens for the removal of nftables rules.
func listenRules() (*socket, error) {
	s, err := listen(unix.NETLINK_NETFILTER, []int{unix.NFNLGRP_NFTABLES}, nil, isRuleLoss)
	if err != nil {
		return nil, fmt.Errorf("listen to changes of nftables: %w", err)
	}
	return s, nil
}

func listen(protocol int, groups []int, prepare func(fd int) error, concerns func(unix.NlMsghdr, []byte) bool) (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	for _, group := range groups {
		if err == nil {
			err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group))
		}
	}
	if err == nil && prepare != nil {
		err = os.NewSyscallError("setsockopt", prepare(fd))
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return &socket{fd: fd, concerns: concerns, buffer: make([]byte, 16<<10)}, nil
}

// hear reads the messages of the kernel, and reports whether something was removed, or may have been while messages
// were lost.
func (s *socket) hear() (lost bool, err error) {
	for {
		n, err := unix.Read(s.fd, s.buffer)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return lost, nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOBUFS): // it had more to say than there was room for
			lost = true
		case err != nil:
			return true, os.NewSyscallError("read", err)
		default:
			lost = anyMessage(s.buffer[:n], s.concerns) || lost
		}
	}
}

// anyMessage reports whether one of the messages of a datagram concerns (netlink(7)).
func anyMessage(datagram []byte, concerns func(unix.NlMsghdr, []byte) bool) bool {
	for len(datagram) >= unix.SizeofNlMsghdr {
		header := unix.NlMsghdr{Len: binary.NativeEndian.Uint32(datagram), Type: binary.NativeEndian.Uint16(datagram[4:]), Flags: binary.NativeEndian.Uint16(datagram[6:])}
		if header.Len < unix.SizeofNlMsghdr || int(header.Len) > len(datagram) {
			return true // its content is not known
		}
		if concerns(header, datagram[unix.SizeofNlMsghdr:header.Len]) {
			return true
		}
		datagram = datagram[min((int(header.Len)+3)&^3, len(datagram)):]
	}
	return false
}

// isRouteLoss returns a function that reports whether a message of rtnetlink is about a removed or disabled object,
// disabled forwarding, or a changed bridge. That function calls bridge for each message about one.
func isRouteLoss(bridge func(name string)) func(header unix.NlMsghdr, data []byte) bool {
	return func(header unix.NlMsghdr, data []byte) bool {
		if header.Type != unix.RTM_NEWLINK && header.Type != unix.RTM_DELLINK {
			return isLossBesideLinks(header, data)
		}
		change := readLink(header.Type, data)
		if change.bridge != "" {
			bridge(change.bridge)
		}
		return change.lost
	}
}

// isLossBesideLinks reports that of messages about addresses, routes and forwarding.
func isLossBesideLinks(header unix.NlMsghdr, data []byte) bool {
	switch header.Type {
	case unix.RTM_DELADDR, unix.RTM_DELROUTE:
		return true
	case unix.RTM_NEWROUTE:
		return header.Flags&unix.NLM_F_REPLACE != 0 // the one before has gone without a message
	case unix.RTM_NEWNETCONF:
		return isNotForwarded(data)
	default:
		return false
	}
}

// Attributes of a RTM_NEWNETCONF, of linux/netconf.h.
const (
	netconfIndex      = 1
	netconfForwarding = 2
	netconfAll        = -1 // as an index
)

// isNotForwarded reports whether forwarding is off for all devices.
func isNotForwarded(data []byte) bool {
	const header = 4 // struct netconfmsg, which is a byte long, and aligned
	if len(data) < header {
		return true
	}
	isAll, isOff := false, false
	for data = data[header:]; len(data) >= unix.SizeofRtAttr+4; {
		length, kind := int(binary.NativeEndian.Uint16(data)), binary.NativeEndian.Uint16(data[2:])
		if length < unix.SizeofRtAttr+4 || length > len(data) {
			return true
		}
		value := int32(binary.NativeEndian.Uint32(data[unix.SizeofRtAttr:]))
		isAll = isAll || kind == netconfIndex && value == netconfAll
		isOff = isOff || kind == netconfForwarding && value == 0
		data = data[min((length+3)&^3, len(data)):]
	}
	return isAll && isOff
}

// isRuleLoss reports whether a message of nftables says that something has gone.
func isRuleLoss(header unix.NlMsghdr, _ []byte) bool {
	if header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES {
		return false
	}
	switch header.Type & 0xff {
	case unix.NFT_MSG_DELTABLE, unix.NFT_MSG_DELCHAIN, unix.NFT_MSG_DELRULE:
		return true
	default:
		return false
	}
}

package nat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	mdlayher "github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nlenc"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// flows selects connections that the kernel tracks, by all that is set.
type flows struct {
	family uint8
	// source is the address that sends them; with reply, it sends the answers.
	source netip.Addr
	reply  bool
	// datagrams are UDP's alone, and are sent to the port, or from there to the last port if that is set.
	datagrams  bool
	port, last uint16
}

// Forget deletes the kernel's entries of the connections of a container's addresses: those that it made, and if
// it had published ports, those that were made to it. Until then the kernel sends their packets to the same place as
// before: to the container, or to the next one that has its address. Each selection takes the kernel a walk
// over all of its table, of 2 ms where that has 262,144 places.
func Forget(addresses []netip.Addr, published bool) error {
	var selected []flows
	for _, address := range addresses {
		made := flows{source: address, family: familyOf(address).protocol}
		selected = append(selected, made)
		if published {
			made.reply = true
			selected = append(selected, made)
		}
	}
	if err := forget(selected); err != nil {
		return fmt.Errorf("forget the connections of %v: %w", addresses, err)
	}
	return nil
}

// forgetDatagrams has the kernel look again where datagrams to published ports go: it remembers whom it
// sent earlier ones to.
func forgetDatagrams(published []bundle.Port) error {
	var selected []flows
	for _, port := range published {
		if port.Protocol == "udp" {
			for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
				f := flows{family: family, datagrams: true, port: uint16(port.HostPort)}
				if port.Count > 1 {
					f.last = uint16(port.Last())
				}
				selected = append(selected, f)
			}
		}
	}
	if err := forget(selected); err != nil {
		return fmt.Errorf("forget datagrams to published ports: %w", err)
	}
	return nil
}

// forgetDatagramsTo has the kernel look again where datagrams go that it led to an endpoint.
func forgetDatagramsTo(e Endpoint) error {
	if !slices.ContainsFunc(e.Ports, func(port bundle.Port) bool { return port.Protocol == "udp" }) {
		return nil
	}
	var selected []flows
	for _, address := range e.Addresses {
		selected = append(selected, flows{family: familyOf(address).protocol, source: address, reply: true, datagrams: true})
	}
	return forget(selected)
}

// forget deletes flows: those that the kernel can select, with one call, and the others from a list of all.
func forget(selected []flows) error {
	var selectable, listed []flows
	for _, f := range selected {
		if f.isSelectable() {
			selectable = append(selectable, f)
		} else {
			listed = append(listed, f)
		}
	}
	err := deleteSelected(selectable)
	if errors.Is(err, unix.EINVAL) { // Linux before 6.8 deletes by a whole tuple or everything
		listed, err = selected, nil
	}
	return errors.Join(err, listAndDelete(listed))
}

// isSelectable reports whether the kernel can select the flows by itself. It takes an IPv6 address for any other, and knows
// no ranges of ports (ctnetlink_filter_match_tuple of Linux' nf_conntrack_netlink.c, seen in 6.18).
func (f flows) isSelectable() bool { return !f.source.Is6() && f.last == 0 }

// Parts of linux/netfilter/nfnetlink_conntrack.h. The flags of a filter are the bits of
// linux/netfilter/nf_conntrack_netlink's attributes that are compared.
const (
	deleteFlows   = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2 // IPCTNL_MSG_CT_DELETE
	tupleOrig     = 1
	tupleReply    = 2
	tupleIP       = 1
	tupleProto    = 2
	ipv4Source    = 1
	ipv6Source    = 3
	protoNum      = 1
	protoPort     = 3 // of the destination
	filter        = 25
	filterOrig    = 1
	filterReply   = 2
	compareSource = 1 << 0
	compareProto  = 1 << 3
	comparePort   = 1 << 5
	filterVersion = 1 // from which on the kernel heeds the family
)

// deleteSelected has the kernel delete all flows that are selected, with one call.
func deleteSelected(selected []flows) error {
	if len(selected) == 0 {
		return nil
	}
	requests := make([]mdlayher.Message, len(selected))
	for i, f := range selected {
		data, err := f.request()
		if err != nil {
			return err
		}
		requests[i] = mdlayher.Message{
			Header: mdlayher.Header{Type: deleteFlows, Flags: mdlayher.Request | mdlayher.Acknowledge},
			Data:   data,
		}
	}
	conn, err := mdlayher.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.SendMessages(requests); err != nil {
		return err
	}
	var failures []error
	for answered := 0; answered < len(requests); {
		answers, err := conn.Receive()
		if err != nil && !errors.As(err, new(*mdlayher.OpError)) {
			return err
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			failures = append(failures, err)
		}
		answered += max(len(answers), 1)
	}
	return errors.Join(failures...)
}

// request is the message that deletes the flows, without its header.
func (f flows) request() ([]byte, error) {
	attributes := mdlayher.NewAttributeEncoder()
	tuple, flags, compared := uint16(tupleOrig), uint16(filterOrig), uint32(0)
	if f.reply {
		tuple, flags = tupleReply, filterReply
	}
	attributes.Nested(tuple, func(tuple *mdlayher.AttributeEncoder) error {
		if f.source.IsValid() {
			compared |= compareSource
			tuple.Nested(tupleIP, func(ip *mdlayher.AttributeEncoder) error {
				kind := uint16(ipv4Source)
				if f.source.Is6() {
					kind = ipv6Source
				}
				ip.Bytes(kind, f.source.AsSlice())
				return nil
			})
		}
		if f.datagrams {
			compared |= compareProto
			tuple.Nested(tupleProto, func(proto *mdlayher.AttributeEncoder) error {
				proto.Uint8(protoNum, unix.IPPROTO_UDP)
				if f.port > 0 {
					compared |= comparePort
					proto.Bytes(protoPort, binary.BigEndian.AppendUint16(nil, f.port))
				}
				return nil
			})
		}
		return nil
	})
	attributes.Nested(filter, func(filter *mdlayher.AttributeEncoder) error {
		filter.Bytes(flags, nlenc.Uint32Bytes(compared))
		return nil
	})
	encoded, err := attributes.Encode()
	if err != nil {
		return nil, err
	}
	return append([]byte{f.family, filterVersion, 0, 0}, encoded...), nil
}

// MatchConntrackFlow implements [netlink.CustomConntrackFilter].
func (f flows) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	to := flow.Forward.DstPort
	if f.datagrams && flow.Forward.Protocol != unix.IPPROTO_UDP || f.port > 0 && (to < f.port || to > max(f.port, f.last)) {
		return false
	}
	source := flow.Forward.SrcIP
	if f.reply {
		source = flow.Reverse.SrcIP
	}
	address, ok := netip.AddrFromSlice(source)
	return !f.source.IsValid() || ok && address.Unmap() == f.source
}

// maxLists is how often the kernel is asked for the flows that it remembers, if they change while it lists them.
const maxLists = 100

// listAndDelete lists all flows and deletes those that are selected.
func listAndDelete(selected []flows) error {
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		var filters []netlink.CustomConntrackFilter
		for _, f := range selected {
			if f.family == family {
				filters = append(filters, f)
			}
		}
		if len(filters) == 0 {
			continue
		}
		var err error
		for range maxLists {
			_, err = netlink.ConntrackDeleteFilters(netlink.ConntrackTable, netlink.InetFamily(family), filters...)
			if !errors.Is(err, netlink.ErrDumpInterrupted) {
				break
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

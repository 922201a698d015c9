package nat

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// family is where the addresses are in an IP version's header (RFC 791, RFC 8200).
type family struct {
	protocol                    byte
	source, destination, length uint32
}

var (
	ipv4 = family{unix.NFPROTO_IPV4, 12, 16, 4}
	ipv6 = family{unix.NFPROTO_IPV6, 8, 24, 16}
)

func familyOf(address netip.Addr) family {
	if address.Is4() {
		return ipv4
	}
	return ipv6
}

func (f family) match() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{f.protocol}},
	}
}

func (f family) from(prefix netip.Prefix) []expr.Any {
	return f.matchPrefix(prefix, f.source, expr.CmpOpEq)
}

func (f family) to(prefix netip.Prefix) []expr.Any {
	return f.matchPrefix(prefix, f.destination, expr.CmpOpEq)
}

func (f family) matchPrefix(prefix netip.Prefix, offset uint32, op expr.CmpOp) []expr.Any {
	mask := make([]byte, f.length)
	for bit := range prefix.Bits() {
		mask[bit/8] |= 0x80 >> (bit % 8)
	}
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: f.length},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: f.length, Mask: mask, Xor: make([]byte, f.length)},
		&expr.Cmp{Op: op, Register: 1, Data: prefix.Masked().Addr().AsSlice()},
	}
}

// leaving is: from the subnet and not to the subnet, masquerade.
func leaving(subnet netip.Prefix) []expr.Any {
	f := familyOf(subnet.Addr())
	rule := append(f.match(), f.from(subnet)...)
	rule = append(rule, f.matchPrefix(subnet, f.destination, expr.CmpOpNeq)...)
	return append(rule, &expr.Masq{})
}

// Bits that the kernel keeps of connections: IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h, and those of NF_CT_STATE_BIT
// there. Untracked packets are, for one, questions about neighbours.
const (
	destinationTranslated = 1 << 5
	answers               = 1<<1 | 1<<2 | 1<<6 // established, related, untracked
)

// tracked compares bits of a packet's connection with none of them.
func tracked(key expr.CtKey, bits uint32, op expr.CmpOp) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: key, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binary.NativeEndian.AppendUint32(nil, bits), Xor: make([]byte, 4)},
		&expr.Cmp{Op: op, Register: 1, Data: make([]byte, 4)},
	}
}

// by compares the device by which a packet comes or leaves.
func by(key expr.MetaKey, device string, op expr.CmpOp) []expr.Any {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, device)
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: name}}
}

// intoFromOthers is: to the device from another one, neither an answer nor to a published port, drop.
func intoFromOthers(device string) []expr.Any {
	rule := append(by(expr.MetaKeyOIFNAME, device, expr.CmpOpEq), by(expr.MetaKeyIIFNAME, device, expr.CmpOpNeq)...)
	rule = append(rule, tracked(expr.CtKeySTATE, answers, expr.CmpOpEq)...)
	rule = append(rule, tracked(expr.CtKeySTATUS, destinationTranslated, expr.CmpOpEq)...)
	return append(rule, &expr.Verdict{Kind: expr.VerdictDrop})
}

// outToOthers is: from the device to another one, and no answer, drop.
func outToOthers(device string) []expr.Any {
	rule := append(by(expr.MetaKeyIIFNAME, device, expr.CmpOpEq), by(expr.MetaKeyOIFNAME, device, expr.CmpOpNeq)...)
	rule = append(rule, tracked(expr.CtKeySTATE, answers, expr.CmpOpEq)...)
	return append(rule, &expr.Verdict{Kind: expr.VerdictDrop})
}

// toNode is: from the device to the node itself, and no answer, drop.
func toNode(device string) []expr.Any {
	rule := append(by(expr.MetaKeyIIFNAME, device, expr.CmpOpEq), tracked(expr.CtKeySTATE, answers, expr.CmpOpEq)...)
	return append(rule, &expr.Verdict{Kind: expr.VerdictDrop})
}

// within is: a packet to a port of the node from the subnet that goes back to it, masquerade. The answer
// would else go past the node, straight to the sender, which does not expect it from there.
func within(subnet netip.Prefix) []expr.Any {
	f := familyOf(subnet.Addr())
	rule := append(f.match(), tracked(expr.CtKeySTATUS, destinationTranslated, expr.CmpOpNeq)...)
	rule = append(rule, f.from(subnet)...)
	rule = append(rule, f.to(subnet)...)
	return append(rule, &expr.Masq{})
}

var localhost = netip.MustParsePrefix("127.0.0.0/8")

// fromLocalhost is: from localhost to the subnet, masquerade.
func fromLocalhost(subnet netip.Prefix) []expr.Any {
	rule := append(ipv4.match(), ipv4.from(localhost)...)
	rule = append(rule, ipv4.to(subnet)...)
	return append(rule, &expr.Masq{})
}

// martian is: from the device to localhost, drop. Where packets from localhost may leave by a device, the
// kernel takes those to it from there (CVE-2020-8558).
func martian(device string) []expr.Any {
	rule := append(ipv4.match(), by(expr.MetaKeyIIFNAME, device, expr.CmpOpEq)...)
	rule = append(rule, ipv4.to(localhost)...)
	return append(rule, &expr.Verdict{Kind: expr.VerdictDrop})
}

// protocols are the transports' numbers.
var protocols = map[string]byte{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP, "sctp": unix.IPPROTO_SCTP}

// forwarding is: to a port of the node, go to the container's. It is one rule for a range too. It is nil where the port is
// published on an address of another IP version.
func forwarding(port bundle.Port, to netip.Addr) ([]expr.Any, error) {
	f := familyOf(to)
	rule := f.match()
	if port.HostIP != "" {
		host, err := netip.ParseAddr(port.HostIP)
		if err != nil {
			return nil, fmt.Errorf("port %d: %w", port.HostPort, err)
		}
		if host.Is4() != to.Is4() {
			return nil, nil
		}
		if !host.IsUnspecified() {
			rule = append(rule, f.to(netip.PrefixFrom(host, host.BitLen()))...)
		}
	}
	rule = append(rule,
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{protocols[port.Protocol]}},
		// The second two bytes of each transport's header are the destination's port.
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2})
	nat := &expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(f.protocol), RegAddrMin: 1}
	if port.Count <= 1 {
		nat.RegProtoMin = 2
		return append(rule,
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: portBytes(port.HostPort)},
			&expr.Immediate{Register: 1, Data: to.AsSlice()},
			&expr.Immediate{Register: 2, Data: portBytes(port.ContainerPort)},
			nat), nil
	}
	rule = append(rule,
		&expr.Cmp{Op: expr.CmpOpGte, Register: 1, Data: portBytes(port.HostPort)},
		&expr.Cmp{Op: expr.CmpOpLte, Register: 1, Data: portBytes(port.Last())})
	if port.ContainerPort != port.HostPort {
		nat.RegProtoMin = 2
		rule = append(rule, numbering{&expr.Lookup{SourceRegister: 1, DestRegister: 2, IsDestRegSet: true}, port})
	}
	return append(rule, &expr.Immediate{Register: 1, Data: to.AsSlice()}, nat), nil
}

// portBytes is a port as in a transport's header.
func portBytes(port int32) []byte { return binary.BigEndian.AppendUint16(nil, uint16(port)) }

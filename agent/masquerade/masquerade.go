// Package masquerade gives networks their way out: what leaves a network's subnets for
// elsewhere leaves under the node's own address. It belongs to the network, not to the
// container, which keeps it off the path of all starts but the first.
package masquerade

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/units/bundle"
)

// natTable is davit's own nftables table. A rule of it carries its network and subnet as
// a comment, by which it is found again.
var natTable = &nftables.Table{Name: "davit", Family: nftables.TableFamilyINet}

func natChain() *nftables.Chain {
	return &nftables.Chain{
		Name: "postrouting", Table: natTable, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
	}
}

const natLock = bundle.RunDir + "/nat.lock"

// Ensure leaves the rules of a network in place. The first start after boot adds them,
// later ones find them.
func Ensure(network string, subnets []string) error {
	if len(subnets) == 0 {
		return nil
	}
	if err := ensure(network, subnets); err != nil {
		return fmt.Errorf("masquerade network %s: %w", network, err)
	}
	return nil
}

func ensure(network string, subnets []string) error {
	unlock, err := disk.Lock(natLock, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer unlock()
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	present, err := natRules(conn)
	if err != nil {
		return err
	}
	conn.AddTable(natTable)
	chain := conn.AddChain(natChain())
	missing := 0
	for _, subnet := range subnets {
		mark := ruleMark(network, subnet)
		if slices.ContainsFunc(present, func(r *nftables.Rule) bool { return bytes.Equal(r.UserData, mark) }) {
			continue
		}
		rule, err := newRule(subnet)
		if err != nil {
			return err
		}
		conn.AddRule(&nftables.Rule{Table: natTable, Chain: chain, Exprs: rule, UserData: mark})
		missing++
	}
	if missing == 0 {
		return nil
	}
	return conn.Flush()
}

// Remove removes the rules of a network.
func Remove(network string) error {
	if err := remove(network); err != nil {
		return fmt.Errorf("remove masquerading of network %s: %w", network, err)
	}
	return nil
}

func remove(network string) error {
	unlock, err := disk.Lock(natLock, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer unlock()
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	present, err := natRules(conn)
	if err != nil {
		return err
	}
	left := len(present)
	for _, rule := range present {
		if ruleNetwork(rule.UserData) != network {
			continue
		}
		if err := conn.DelRule(rule); err != nil {
			return err
		}
		left--
	}
	if left == len(present) {
		return nil
	}
	if left == 0 {
		conn.DelTable(natTable)
	}
	return conn.Flush()
}

// natRules are davit's rules; none when there is no table yet.
func natRules(conn *nftables.Conn) ([]*nftables.Rule, error) {
	rules, err := conn.GetRules(natTable, natChain())
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	return rules, err
}

// ruleMark is a rule's comment, as nft shows it.
func ruleMark(network, subnet string) []byte {
	return userdata.AppendString(nil, userdata.TypeComment, network+" "+subnet)
}

func ruleNetwork(mark []byte) string {
	comment, _ := userdata.GetString(mark, userdata.TypeComment)
	network, _, _ := strings.Cut(comment, " ")
	return network
}

// newRule is: from the subnet and not to the subnet, masquerade.
func newRule(subnet string) ([]expr.Any, error) {
	prefix, err := netip.ParsePrefix(subnet)
	if err != nil {
		return nil, err
	}
	// Offsets and lengths of the addresses in the IP headers (RFC 791, RFC 8200).
	protocol, source, destination, length := byte(unix.NFPROTO_IPV4), uint32(12), uint32(16), uint32(4)
	if prefix.Addr().Is6() {
		protocol, source, destination, length = unix.NFPROTO_IPV6, 8, 24, 16
	}
	rule := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{protocol}},
	}
	rule = append(rule, matchPrefix(prefix, source, length, expr.CmpOpEq)...)
	rule = append(rule, matchPrefix(prefix, destination, length, expr.CmpOpNeq)...)
	return append(rule, &expr.Masq{}), nil
}

func matchPrefix(prefix netip.Prefix, offset, length uint32, op expr.CmpOp) []expr.Any {
	mask := make([]byte, length)
	for bit := range prefix.Bits() {
		mask[bit/8] |= 0x80 >> (bit % 8)
	}
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: length, Mask: mask, Xor: make([]byte, length)},
		&expr.Cmp{Op: op, Register: 1, Data: prefix.Masked().Addr().AsSlice()},
	}
}

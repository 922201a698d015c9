// Package nat translates addresses for davit's own networks: what leaves a network's subnets for elsewhere
// leaves under the node's own address, and what comes to a published port of the node goes on to its
// container. It talks to the kernel's nftables itself, without a process.
package nat

import (
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

// table is davit's own nftables table. A rule of it carries as a comment what it is for, by which it is
// found again: a network and more, or in the chain of ports a container.
var table = &nftables.Table{Name: "davit", Family: nftables.TableFamilyINet}

// Chains of the table.
var (
	postrouting = &nftables.Chain{
		Name: "postrouting", Table: table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
	}
	prerouting = &nftables.Chain{
		Name: "prerouting", Table: table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityNATDest,
	}
	output = &nftables.Chain{
		Name: "output", Table: table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityNATDest,
	}
	guard = &nftables.Chain{
		Name: "guard", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw,
	}
	ports = &nftables.Chain{Name: "ports", Table: table}
)

const natLock = bundle.RunDir + "/nat.lock"

// rule is one that has to be there; without expressions, its chain alone has to.
type rule struct {
	chain   *nftables.Chain
	comment string
	exprs   []expr.Any
}

// Masquerade leaves in place what gives subnets of a network their way out. It belongs to the network, not
// to the container: the first start after boot adds it, later ones find it.
func Masquerade(network string, subnets []string) error {
	var rules []rule
	for _, subnet := range subnets {
		prefix, err := netip.ParsePrefix(subnet)
		if err != nil {
			return fmt.Errorf("masquerade network %s: %w", network, err)
		}
		rules = append(rules, rule{postrouting, network + " " + subnet, leaving(prefix)})
	}
	if err := ensure(rules); err != nil {
		return fmt.Errorf("masquerade network %s: %w", network, err)
	}
	return nil
}

// ensure adds the rules that are missing, with their chains.
func ensure(rules []rule) error {
	if len(rules) == 0 {
		return nil
	}
	return transaction(func(conn *nftables.Conn) (bool, error) {
		present := map[*nftables.Chain][]*nftables.Rule{}
		conn.AddTable(table)
		missing := false
		for _, want := range rules {
			found, listed := present[want.chain]
			if !listed {
				var err error
				if found, err = rulesOf(conn, want.chain); err != nil {
					return false, err
				}
				present[want.chain] = found
				conn.AddChain(want.chain)
			}
			if want.exprs == nil || slices.ContainsFunc(found, func(r *nftables.Rule) bool { return commentOf(r) == want.comment }) {
				continue
			}
			conn.AddRule(&nftables.Rule{Table: table, Chain: want.chain, Exprs: want.exprs, UserData: marked(want.comment)})
			missing = true
		}
		return missing, nil
	})
}

// transaction changes rules at once, alone of all of davit's processes. Nothing is sent when change says
// that there is nothing to send.
func transaction(change func(*nftables.Conn) (bool, error)) error {
	unlock, err := disk.Lock(natLock, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer unlock()
	conn, err := nftables.New(nftables.AsLasting()) // one socket for all
	if err != nil {
		return err
	}
	changed, err := change(conn)
	if err == nil && changed {
		err = conn.Flush()
	}
	return errors.Join(err, conn.CloseLasting())
}

// Remove removes the rules of a network, and the table with the last of them.
func Remove(network string) error {
	err := transaction(func(conn *nftables.Conn) (bool, error) {
		changed, left := false, 0
		for _, chain := range []*nftables.Chain{postrouting, guard, ports} {
			present, err := rulesOf(conn, chain)
			if err != nil {
				return false, err
			}
			for _, rule := range present {
				if chain == ports || ownerOf(rule) != network {
					left++
					continue
				}
				if err := conn.DelRule(rule); err != nil {
					return false, err
				}
				changed = true
			}
		}
		if changed && left == 0 {
			conn.DelTable(table)
		}
		return changed, nil
	})
	if err != nil {
		return fmt.Errorf("remove the address translation of network %s: %w", network, err)
	}
	return nil
}

// rulesOf are the rules of a chain; none when it is not there.
func rulesOf(conn *nftables.Conn, chain *nftables.Chain) ([]*nftables.Rule, error) {
	rules, err := conn.GetRules(table, chain)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	return rules, err
}

// marked is a rule's comment, as nft shows it.
func marked(comment string) []byte {
	return userdata.AppendString(nil, userdata.TypeComment, comment)
}

// ownerOf is the network or the container that a rule is for.
func ownerOf(rule *nftables.Rule) string {
	owner, _, _ := strings.Cut(commentOf(rule), " ")
	return owner
}

func commentOf(rule *nftables.Rule) string {
	comment, _ := userdata.GetString(rule.UserData, userdata.TypeComment)
	return comment
}

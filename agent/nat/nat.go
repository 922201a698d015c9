// Package nat translates addresses for davit's own networks: packets that leave a network's subnets
// leave under the node's own address, and packets to a published port of the node go on to its
// container. It talks to the kernel's nftables itself, without a process.
package nat

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/davit-project/davit/units/bundle"
)

// table is davit's own nftables table. The comment of each rule names its purpose, by which it is
// found again: a network and more, or in the chain of ports a container.
var table = &nftables.Table{Name: "davit", Family: nftables.TableFamilyINet}

// Chains of the table.
var (
	postrouting = hooked("postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)
	prerouting  = hooked("prerouting", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest)
	output      = hooked("output", nftables.ChainTypeNAT, nftables.ChainHookOutput, nftables.ChainPriorityNATDest)
	guard       = hooked("guard", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityRaw)
	forward     = hooked("forward", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter)
	input       = hooked("input", nftables.ChainTypeFilter, nftables.ChainHookInput, nftables.ChainPriorityFilter)
	ports       = &nftables.Chain{Name: "ports", Table: table}
)

func hooked(name string, kind nftables.ChainType, hook *nftables.ChainHook, priority *nftables.ChainPriority) *nftables.Chain {
	return &nftables.Chain{Name: name, Table: table, Type: kind, Hooknum: hook, Priority: priority}
}

const natLock = bundle.RunDir + "/nat.lock"

// rule is one that has to be there; without expressions, its chain alone has to.
type rule struct {
	chain   *nftables.Chain
	comment string
	exprs   []expr.Any
}

// Endpoint is a container on a network, with the ports of the node that lead to it there.
type Endpoint struct {
	// Container is the container's id.
	Container string
	Network   bundle.BridgeNetwork
	// Addresses are the container's there.
	Addresses []netip.Addr
	Ports     []bundle.Port
	// Fresh is set if no rule leads to the container yet: its network has just been made. The ports of all others are
	// not looked through then, for existing rules.
	Fresh bool
}

// Connect leaves in place the rules that give the endpoint's network its way out and isolate it, which the first start after
// boot adds and later ones find, and publishes the endpoint's ports: a request for one, from elsewhere, on the
// node (also at 127.0.0.1) or in a container, reaches the container.
func Connect(e Endpoint) error {
	rules := append(isolating(e.Network), masquerading(e.Network)...)
	published, err := e.publishing()
	if err == nil {
		err = ensure(append(rules, published...), e.Fresh)
	}
	if err == nil && len(e.Ports) > 0 {
		err = e.use()
	}
	if err != nil {
		return fmt.Errorf("translate addresses: %w", err)
	}
	return nil
}

// masquerading are the rules that give a network its way out.
func masquerading(network bundle.BridgeNetwork) []rule {
	var rules []rule
	if network.Internal {
		return rules
	}
	for _, subnet := range network.Subnets {
		rules = append(rules, rule{postrouting, commentFor(network.Name, subnet.Subnet.String()), leaving(subnet.Subnet)})
	}
	return rules
}

// isolating are the rules that isolate a network. Packets to published ports are let through, and answers; containers of
// an internal network reach neither other networks nor the node.
func isolating(network bundle.BridgeNetwork) []rule {
	name, device := network.Name, network.Device
	rules := []rule{{forward, commentFor(name, device+" from others"), intoFromOthers(device)}}
	if network.Internal {
		rules = append(rules,
			rule{forward, commentFor(name, device+" to others"), outToOthers(device)},
			rule{input, commentFor(name, device+" to the node"), toNode(device)})
	}
	return rules
}

// ensure adds the rules that are missing, with their chains. Of fresh endpoints no rule leads to ports yet.
func ensure(rules []rule, fresh bool) error {
	if len(rules) == 0 {
		return nil
	}
	return transaction(func(conn *socket) (bool, error) { return queueMissing(conn, rules, fresh) })
}

// queueMissing queues the rules that are missing, with their chains, and reports whether there are any.
func queueMissing(conn *socket, rules []rule, fresh bool) (bool, error) {
	there, err := conn.chains()
	if err != nil {
		return false, err
	}
	present := map[*nftables.Chain]map[string]bool{} // comments
	if fresh && there[ports.Name] {
		present[ports] = map[string]bool{}
	}
	q := queue{conn: conn}
	for _, want := range rules {
		if _, listed := present[want.chain]; !listed && !there[want.chain.Name] {
			// Only where it is missing: a chain that is added once more is disposed of, too.
			conn.AddTable(table)
			conn.AddChain(want.chain)
			present[want.chain] = map[string]bool{}
		} else if !listed {
			if present[want.chain], err = conn.commentsIn(want.chain); err != nil {
				return false, err
			}
		}
		if want.exprs == nil || want.isAmong(present[want.chain]) {
			continue
		}
		if err := q.add(want); err != nil {
			return false, err
		}
		present[want.chain][want.comment] = true
	}
	return q.size > 0, nil
}

// isAmong reports whether a chain that has these comments has the rule. A davit that knew no ranges made a rule for each
// port, and those of containers that run since then stay.
func (want rule) isAmong(comments map[string]bool) bool {
	if comments[want.comment] {
		return true
	}
	name, rest, _ := strings.Cut(want.comment, " ")
	text, where, _ := strings.Cut(rest, " ")
	port, ok := parsePort(text)
	if want.chain != ports || !ok || port.Count <= 1 {
		return false
	}
	for _, single := range bundle.Split([]bundle.Port{port}) {
		if !comments[name+" "+single.String()+" "+where] {
			return false
		}
	}
	return true
}

// Remove removes the rules of a network, and the table with the last of them.
func Remove(network string) error {
	err := transaction(func(conn *socket) (bool, error) {
		removed, left := 0, 0
		for _, chain := range []*nftables.Chain{postrouting, guard, forward, input} {
			gone, others, err := removeOf(conn, chain, network)
			if err != nil {
				return false, err
			}
			removed, left = removed+gone, left+others
		}
		published, err := conn.rulesIn(ports) // none where there is no such chain
		if err != nil {
			return false, err
		}
		if removed > 0 && left+len(published) == 0 {
			conn.DelTable(table)
		}
		return removed > 0, nil
	})
	if err != nil {
		return fmt.Errorf("remove the address translation of network %s: %w", network, err)
	}
	return nil
}

// removeOf removes an owner's rules from a chain, and says how many they are and how many others there are.
func removeOf(conn *socket, chain *nftables.Chain, name string) (removed, left int, err error) {
	rules, err := conn.rulesIn(chain)
	if err != nil {
		return 0, 0, err
	}
	removable := ownerNamed(name)
	for _, rule := range rules {
		if !removable.is(rule.owner()) {
			left++
			continue
		}
		if err := conn.DelRule(&nftables.Rule{Table: table, Chain: chain, Handle: rule.handle}); err != nil {
			return 0, 0, err
		}
		removed++
	}
	return removed, left, nil
}

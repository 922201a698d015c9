// Package nat translates addresses for davit's own networks: what leaves a network's subnets for elsewhere
// leaves under the node's own address, and what comes to a published port of the node goes on to its
// container. It talks to the kernel's nftables itself, without a process.
package nat

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/units/bundle"
)

// table is davit's own nftables table. A rule of it carries as a comment what it is for, by which it is
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
	// Fresh is set where nothing leads to the container yet: its network has just been made. What all others publish is
	// not looked through then, for rules that are there already.
	Fresh bool
}

// Connect leaves in place what gives the endpoint's network its way out and keeps others off it, which the first start after
// boot adds and later ones find, and publishes the endpoint's ports: whoever asks for one, from elsewhere, on the
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
		rules = append(rules, rule{postrouting, network.Name + " " + subnet.Subnet.String(), leaving(subnet.Subnet)})
	}
	return rules
}

// isolating are the rules that keep others off a network. What is published is let through, and what answers; containers of
// an internal network reach neither other networks nor the node.
func isolating(network bundle.BridgeNetwork) []rule {
	name, device := network.Name, network.Device
	rules := []rule{{forward, name + " " + device + " from others", intoFromOthers(device)}}
	if network.Internal {
		rules = append(rules,
			rule{forward, name + " " + device + " to others", outToOthers(device)},
			rule{input, name + " " + device + " to the node", toNode(device)})
	}
	return rules
}

// ensure adds the rules that are missing, with their chains. Of fresh endpoints no rule leads to ports yet.
func ensure(rules []rule, fresh bool) error {
	if len(rules) == 0 {
		return nil
	}
	return transaction(func(conn *nftables.Conn) (bool, error) { return queueMissing(conn, rules, fresh) })
}

// queueMissing queues the rules that are missing, with their chains, and reports whether there are any.
func queueMissing(conn *nftables.Conn, rules []rule, fresh bool) (bool, error) {
	there, err := chains(conn)
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
			if present[want.chain], err = commentsIn(conn, want.chain); err != nil {
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

// most bounds a transaction: the kernel has to take it, and to answer each of its parts, in the socket's buffers.
const (
	most       = 1000 // rules, and for each the elements of a map
	perRule    = 100
	bufferSize = 16 << 20
)

// queue collects rules for one transaction, or for several where they are many.
type queue struct {
	conn *nftables.Conn
	size int
}

// add queues a rule, and sends what is queued where that is enough.
func (q *queue) add(want rule) error {
	size := 1
	if n, ok := want.numbering(); ok {
		size += int(n.port.Count) / perRule
	}
	if q.size += size; q.size > most {
		if err := q.conn.Flush(); err != nil {
			return err
		}
		q.size = size
	}
	prepared, err := want.prepare(q.conn)
	if err == nil {
		q.conn.AddRule(prepared)
	}
	return err
}

// prepare queues what the rule needs, and returns it for the kernel.
func (want rule) prepare(conn *nftables.Conn) (*nftables.Rule, error) {
	if n, ok := want.numbering(); ok {
		if err := n.add(conn); err != nil {
			return nil, err
		}
	}
	return &nftables.Rule{Table: table, Chain: want.chain, Exprs: want.exprs, UserData: marked(want.comment)}, nil
}

func (want rule) numbering() (numbering, bool) {
	for _, e := range want.exprs {
		if n, ok := e.(numbering); ok {
			return n, true
		}
	}
	return numbering{}, false
}

// commentsIn are the comments of a chain's rules.
func commentsIn(conn *nftables.Conn, chain *nftables.Chain) (map[string]bool, error) {
	rules, err := conn.GetRules(table, chain)
	if err != nil {
		return nil, err
	}
	comments := map[string]bool{}
	for _, rule := range rules {
		comments[commentOf(rule)] = true
	}
	return comments, nil
}

// transaction changes rules at once, alone of all of davit's processes. Nothing is sent when change says
// that there is nothing to send.
func transaction(change func(*nftables.Conn) (bool, error)) error {
	finish, err := begin(change)
	return errors.Join(err, finish())
}

// begin is [transaction] for those who do something else before they finish: the rules have changed when it
// returns. Where rules were removed the end takes some 10 ms: the close of the socket waits until the kernel
// has disposed of them (nft_rcv_nl_event in Linux' nf_tables_api.c). finish is never nil.
func begin(change func(*nftables.Conn) (bool, error)) (finish func() error, err error) {
	unlock, err := disk.Lock(natLock, unix.LOCK_EX)
	if err != nil {
		return func() error { return nil }, err
	}
	conn, err := open() // one socket for all
	if err != nil {
		unlock()
		return func() error { return nil }, err
	}
	changed, err := change(conn)
	if err == nil && changed {
		err = conn.Flush()
	}
	return func() error {
		defer unlock()
		return conn.CloseLasting()
	}, err
}

// open opens a socket with room for the answers to each rule of a transaction. The kernel takes memory for what is there.
func open() (*nftables.Conn, error) {
	return nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(socket *netlink.Conn) error {
		return errors.Join(socket.SetReadBuffer(bufferSize), socket.SetWriteBuffer(bufferSize))
	}))
}

// Remove removes the rules of a network, and the table with the last of them.
func Remove(network string) error {
	err := transaction(func(conn *nftables.Conn) (bool, error) {
		removed, left := 0, 0
		for _, chain := range []*nftables.Chain{postrouting, guard, forward, input} {
			gone, others, err := removeOf(conn, chain, network)
			if err != nil {
				return false, err
			}
			removed, left = removed+gone, left+others
		}
		published, err := conn.GetRules(table, ports) // none where there is no such chain
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
func removeOf(conn *nftables.Conn, chain *nftables.Chain, owner string) (removed, left int, err error) {
	rules, err := conn.GetRules(table, chain)
	if err != nil {
		return 0, 0, err
	}
	for _, rule := range rules {
		if ownerOf(rule) != owner {
			left++
			continue
		}
		if err := conn.DelRule(rule); err != nil {
			return 0, 0, err
		}
		removed++
	}
	return removed, left, nil
}

// chains are the names of those that davit's table has.
func chains(conn *nftables.Conn) (map[string]bool, error) {
	all, err := conn.ListChainsOfTableFamily(table.Family)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, chain := range all {
		if chain.Table.Name == table.Name {
			names[chain.Name] = true
		}
	}
	return names, nil
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

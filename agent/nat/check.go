package nat

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/units/bundle"
)

// Standing is an endpoint of a container that runs.
type Standing struct {
	Endpoint
	// Unready is set where others that publish the same ports come first: its own rules may be there or not.
	Unready bool
}

// checkPatience is far longer than davit takes to change rules. Others can hold the lock for ever.
const checkPatience = 500 * time.Millisecond

// Check finds missing or changed rules of running containers: by container, in words. It changes nothing.
func Check(standing []Standing) (faults map[string][]string, err error) {
	unlock, err := disk.LockWithin(natLock, unix.LOCK_SH, checkPatience) // changes by davit itself are complete then
	if err != nil {
		return nil, fmt.Errorf("check address translation: %w", err)
	}
	defer unlock()
	present, err := readTable()
	if err != nil {
		return nil, fmt.Errorf("check address translation: %w", err)
	}
	faults = map[string][]string{}
	for _, one := range standing {
		found, err := present.faultsOf(one)
		if err != nil {
			return nil, err
		}
		faults[one.Container] = append(faults[one.Container], found...)
	}
	return faults, nil
}

// tableContent is the content of davit's table: by the name of a chain, the comments of its rules.
type tableContent struct {
	comments map[string]map[string]bool
	// published are the ports of the node with their owners, in the order of their rules.
	published []owned
}

func readTable() (tableContent, error) {
	conn, err := open()
	if err != nil {
		return tableContent{}, err
	}
	content, err := read(conn)
	return content, errors.Join(err, conn.CloseLasting())
}

func read(conn *socket) (tableContent, error) {
	content := tableContent{comments: map[string]map[string]bool{}}
	there, err := conn.chains()
	for _, chain := range []*nftables.Chain{postrouting, prerouting, output, guard, forward, input, ports} {
		if err != nil || !there[chain.Name] {
			continue
		}
		var rules []present
		if rules, err = conn.rulesIn(chain); err == nil {
			content.add(chain, rules)
		}
	}
	return content, err
}

func (c *tableContent) add(chain *nftables.Chain, rules []present) {
	comments := map[string]bool{}
	for _, rule := range rules {
		comments[rule.comment] = true
	}
	c.comments[chain.Name] = comments
	if chain == ports {
		c.published = publishedBy(rules)
	}
}

// isBehind reports whether a port leads to another container first that is not ready.
func (c tableContent) isBehind(port bundle.Port, container owner, unready map[string]bool) bool {
	for _, p := range c.published {
		if p.Overlaps(port) && (container.is(p.owner) || unready[p.owner]) {
			return !container.is(p.owner)
		}
	}
	return false
}

// prefer notes that a container's rules come first from now on.
func (c tableContent) prefer(container owner) {
	slices.SortStableFunc(c.published, func(a, b owned) int { return preference(a, container) - preference(b, container) })
}

// preference is 0 of the container's ports and 1 of others'.
func preference(p owned, container owner) int {
	if container.is(p.owner) {
		return 0
	}
	return 1
}

// lacks reports whether a rule is missing, or its chain.
func (c tableContent) lacks(want rule) bool {
	comments, there := c.comments[want.chain.Name]
	return !there || want.exprs != nil && !want.isAmong(comments)
}

func (c tableContent) faultsOf(one Standing) (faults []string, err error) {
	published, err := one.publishing()
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(masquerading(one.Network), c.lacks) {
		faults = append(faults, fmt.Sprintf("the nftables rules that give the network %s its way out are gone", one.Network.Name))
	}
	if slices.ContainsFunc(isolating(one.Network), c.lacks) {
		faults = append(faults, fmt.Sprintf("the nftables rules that keep others off the network %s are gone", one.Network.Name))
	}
	isOwn := func(r rule) bool { return r.chain == ports && r.exprs != nil }
	if slices.ContainsFunc(published, func(r rule) bool { return !isOwn(r) && c.lacks(r) }) {
		faults = append(faults, "the nftables rules that lead to published ports are gone")
	}
	if one.Unready {
		return faults, nil
	}
	if gone := slices.IndexFunc(published, func(r rule) bool { return isOwn(r) && c.lacks(r) }); gone >= 0 {
		faults = append(faults, fmt.Sprintf("the nftables rule that publishes its port %s is gone", strings.Fields(published[gone].comment)[1]))
	}
	if len(one.Ports) > 0 && !isLocalRouted(one.Network.Device) {
		faults = append(faults, fmt.Sprintf("the bridge %s takes nothing that the node sends from 127.0.0.1: route_localnet is off", one.Network.Device))
	}
	return faults, nil
}

// isLocalRouted reports whether packets from 127.0.0.1 may leave by a bridge. One that is gone is another fault.
func isLocalRouted(device string) bool {
	value, err := os.ReadFile(localRouting(device))
	return err != nil || strings.TrimSpace(string(value)) != "0"
}

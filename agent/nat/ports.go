package nat

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// publishing are the rules of the endpoint's ports, and those that they need of the node and the network.
func (e Endpoint) publishing() ([]rule, error) {
	if len(e.Ports) == 0 {
		return nil, nil
	}
	rules := e.surroundings()
	for _, port := range e.Ports {
		for _, address := range e.Addresses {
			exprs, err := forwarding(port, address)
			if err != nil {
				return nil, err
			}
			if exprs != nil {
				comment := commentFor(e.Container, fmt.Sprintf("%s %s %s", port, port.HostIP, address))
				rules = append(rules, rule{ports, comment, exprs})
			}
		}
	}
	return rules, nil
}

// surroundings are the settings of the node and of the network that published ports need.
func (e Endpoint) surroundings() []rule {
	local := []expr.Any{
		&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.NativeEndian.AppendUint32(nil, unix.RTN_LOCAL)},
		&expr.Verdict{Kind: expr.VerdictJump, Chain: ports.Name},
	}
	name, device := e.Network.Name, e.Network.Device
	rules := []rule{
		{chain: ports}, // first, so that there is something to jump to
		{prerouting, "published ports", local},
		{output, "published ports", local},
		{guard, commentFor(name, device), martian(device)},
	}
	for _, subnet := range e.Network.Subnets {
		rules = append(rules, rule{postrouting, commentFor(name, subnet.Subnet.String()+" within"), within(subnet.Subnet)})
		if subnet.Subnet.Addr().Is4() {
			rules = append(rules, rule{postrouting, commentFor(name, subnet.Subnet.String()+" localhost"), fromLocalhost(subnet.Subnet)})
		}
	}
	return rules
}

// use has the kernel use the rules: packets that the node sends from 127.0.0.1 may leave by the bridge, and the
// guard keeps others from answering to requests that were never sent (ip-sysctl.rst in Linux' documentation).
func (e Endpoint) use() error {
	if err := os.WriteFile(localRouting(e.Network.Device), []byte("1"), 0); err != nil {
		return err
	}
	return forgetDatagrams(e.Ports)
}

// localRouting is the kernel setting that lets packets from 127.0.0.1 of the node leave by a device.
func localRouting(device string) string {
	return "/proc/sys/net/ipv4/conf/" + device + "/route_localnet"
}

// Unpublish takes a container's ports back. The connections that were made through them go on until
// [Forget] ends them. The caller calls finish, which takes a while, when it has nothing else to do.
func Unpublish(container string) (finish func() error, err error) {
	finish, err = begin(func(conn *socket) (bool, error) {
		removed, _, err := removeOf(conn, ports, container)
		return removed > 0, err
	})
	if err != nil {
		err = fmt.Errorf("take back the ports of %s: %w", container, err)
	}
	return finish, err
}

// Several containers may publish the same port of the node: the kernel takes the first rule, so those of
// containers that are ready come first.

// Prefer has an endpoint's ports lead to it, before others that publish the same.
func Prefer(e Endpoint) error {
	published, err := e.publishing()
	if err == nil {
		err = transaction(func(conn *socket) (bool, error) {
			present, err := conn.rulesIn(ports)
			if err != nil {
				return false, err
			}
			if !isShared(publishedBy(present), e.Container) {
				return false, nil
			}
			if _, _, err := removeOf(conn, ports, e.Container); err != nil {
				return false, err
			}
			for _, want := range published {
				if want.chain != ports || want.exprs == nil {
					continue
				}
				prepared, err := want.prepare(conn)
				if err != nil {
					return false, err
				}
				conn.InsertRule(prepared)
			}
			return true, nil
		})
	}
	if err != nil {
		return fmt.Errorf("lead the ports to %s: %w", e.Container, err)
	}
	return nil
}

// Withdraw removes an endpoint's ports while its container keeps running, and reports whether others publish one of
// them. Connections that there are go on, and datagrams go to the others.
func Withdraw(e Endpoint) (others bool, err error) {
	err = transaction(func(conn *socket) (bool, error) {
		present, err := conn.rulesIn(ports)
		if err != nil {
			return false, err
		}
		others = isShared(publishedBy(present), e.Container)
		removed, _, err := removeOf(conn, ports, e.Container)
		return removed > 0, err
	})
	if err == nil {
		err = forgetDatagramsTo(e)
	}
	if err != nil {
		return others, fmt.Errorf("take back the ports of %s: %w", e.Container, err)
	}
	return others, nil
}

// owned are ports of the node with the container to which a rule leads.
type owned struct {
	bundle.Port
	owner string
}

// publishedBy are the ports that rules are for, in their order.
func publishedBy(rules []present) []owned {
	var published []owned
	for _, rule := range rules {
		owner, rest, _ := strings.Cut(rule.comment, " ")
		text, _, _ := strings.Cut(rest, " ")
		if port, ok := parsePort(text); ok {
			published = append(published, owned{port, owner})
		}
	}
	return published
}

// isShared reports whether another container publishes a port that a container publishes.
func isShared(published []owned, container string) bool {
	named := ownerNamed(container)
	return slices.ContainsFunc(published, func(own owned) bool {
		return named.is(own.owner) && slices.ContainsFunc(published, func(other owned) bool {
			return !named.is(other.owner) && other.Overlaps(own.Port)
		})
	})
}

// parsePort parses the text of [bundle.Port.String].
func parsePort(text string) (port bundle.Port, ok bool) {
	numbers, protocol, ok := strings.Cut(text, "/")
	from, to, isRange := strings.Cut(numbers, "-")
	first, err := strconv.ParseUint(from, 10, 16)
	last := first
	if isRange && err == nil {
		last, err = strconv.ParseUint(to, 10, 16)
	}
	if !ok || err != nil || last < first {
		return bundle.Port{}, false
	}
	port = bundle.Port{HostPort: int32(first), Protocol: protocol}
	if last > first {
		port.Count = int32(last-first) + 1
	}
	return port, true
}

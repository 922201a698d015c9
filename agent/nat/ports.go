package nat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// Published are ports of the node that lead to a container.
type Published struct {
	// Container is the container's id.
	Container string
	// Network is the network by which they do, Device its bridge, Subnets what it has.
	Network, Device string
	Subnets         []netip.Prefix
	// Addresses are the container's there.
	Addresses []netip.Addr
	Ports     []bundle.Port
}

// Publish publishes ports. Whoever asks for one, from elsewhere, on the node (also at 127.0.0.1) or in a
// container, reaches the container.
func Publish(p Published) error {
	if len(p.Ports) == 0 {
		return nil
	}
	if err := publish(p); err != nil {
		return fmt.Errorf("publish the ports of %s: %w", p.Container, err)
	}
	return nil
}

func publish(p Published) error {
	rules := p.surroundings()
	for _, port := range p.Ports {
		for _, address := range p.Addresses {
			exprs, err := forwarding(port, address)
			if err != nil {
				return err
			}
			if exprs != nil {
				comment := fmt.Sprintf("%s %d/%s %s %s", p.Container, port.HostPort, port.Protocol, port.HostIP, address)
				rules = append(rules, rule{ports, comment, exprs})
			}
		}
	}
	if err := ensure(rules); err != nil {
		return err
	}
	// What the node sends from 127.0.0.1 may leave by the bridge; the guard keeps others from answering
	// to what nobody asked (ip-sysctl.rst in Linux' documentation).
	if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+p.Device+"/route_localnet", []byte("1"), 0); err != nil {
		return err
	}
	return forgetDatagrams(p.Ports)
}

// surroundings are what published ports need of the node and of the network.
func (p Published) surroundings() []rule {
	local := []expr.Any{
		&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.NativeEndian.AppendUint32(nil, unix.RTN_LOCAL)},
		&expr.Verdict{Kind: expr.VerdictJump, Chain: ports.Name},
	}
	rules := []rule{
		{chain: ports}, // first, so that there is something to jump to
		{prerouting, "published ports", local},
		{output, "published ports", local},
		{guard, p.Network + " " + p.Device, martian(p.Device)},
	}
	for _, subnet := range p.Subnets {
		rules = append(rules, rule{postrouting, p.Network + " " + subnet.String() + " within", within(subnet)})
		if subnet.Addr().Is4() {
			rules = append(rules, rule{postrouting, p.Network + " " + subnet.String() + " localhost", fromLocalhost(subnet)})
		}
	}
	return rules
}

// Unpublish takes a container's ports back.
func Unpublish(container string) error {
	err := transaction(func(conn *nftables.Conn) (bool, error) {
		present, err := rulesOf(conn, ports)
		if err != nil {
			return false, err
		}
		changed := false
		for _, rule := range present {
			if ownerOf(rule) != container {
				continue
			}
			if err := conn.DelRule(rule); err != nil {
				return false, err
			}
			changed = true
		}
		return changed, nil
	})
	if err != nil {
		return fmt.Errorf("take back the ports of %s: %w", container, err)
	}
	return nil
}

// forgetDatagrams has the kernel look anew where datagrams to published ports go: it remembers whom it
// sent earlier ones to.
func forgetDatagrams(published []bundle.Port) error {
	for _, port := range published {
		if port.Protocol != "udp" {
			continue
		}
		filter := &netlink.ConntrackFilter{}
		err := errors.Join(filter.AddProtocol(unix.IPPROTO_UDP), filter.AddPort(netlink.ConntrackOrigDstPort, uint16(port.HostPort)))
		if err != nil {
			return err
		}
		for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
			if _, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, filter); err != nil {
				return fmt.Errorf("forget datagrams to port %d: %w", port.HostPort, err)
			}
		}
	}
	return nil
}

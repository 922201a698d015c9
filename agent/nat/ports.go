package nat

import (
	"encoding/binary"
	"fmt"
	"os"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
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
				comment := fmt.Sprintf("%s %d/%s %s %s", e.Container, port.HostPort, port.Protocol, port.HostIP, address)
				rules = append(rules, rule{ports, comment, exprs})
			}
		}
	}
	return rules, nil
}

// surroundings are what published ports need of the node and of the network.
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
		{guard, name + " " + device, martian(device)},
	}
	for _, subnet := range e.Network.Subnets {
		rules = append(rules, rule{postrouting, name + " " + subnet.Subnet.String() + " within", within(subnet.Subnet)})
		if subnet.Subnet.Addr().Is4() {
			rules = append(rules, rule{postrouting, name + " " + subnet.Subnet.String() + " localhost", fromLocalhost(subnet.Subnet)})
		}
	}
	return rules
}

// open has the kernel use the rules: what the node sends from 127.0.0.1 may leave by the bridge, and the
// guard keeps others from answering to what nobody asked (ip-sysctl.rst in Linux' documentation).
func (e Endpoint) open() error {
	if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+e.Network.Device+"/route_localnet", []byte("1"), 0); err != nil {
		return err
	}
	return forgetDatagrams(e.Ports)
}

// Unpublish takes a container's ports back. The connections that were made through them go on until
// [Forget] ends them.
func Unpublish(container string) error {
	err := transaction(func(conn *nftables.Conn) (bool, error) {
		removed, _, err := removeOf(conn, ports, container)
		return removed > 0, err
	})
	if err != nil {
		return fmt.Errorf("take back the ports of %s: %w", container, err)
	}
	return nil
}

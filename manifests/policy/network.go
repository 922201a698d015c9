package policy

import (
	"fmt"
	"net/netip"
	"slices"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// ownInterfaces are the names that davit gives bridges itself. A bridge of another name can take that of a device that
// the node has later, or one that its firewall trusts.
var ownInterfaces = []string{"dv-*"}

// private are the subnets that a network may have where the policy lists none: no address of them is on the Internet
// (RFC 1918, RFC 4193).
var private = []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"}

// network checks what a network takes of the node. What overlaps the node's own addresses and routes is refused when it
// is known which those are, whatever the policy.
func (c *checker) network(spec v1.NetworkSpec) {
	if len(spec.Plugins) > 0 && c.confines() && !c.policy.NetworkPlugins {
		c.refuse("spec.plugins", "networkPlugins", "a chain of CNI plugins runs programs of the node")
	}
	if spec.Interface != "" && c.confines() && !matchesAny(slices.Concat(ownInterfaces, c.policy.Interfaces), spec.Interface) {
		c.refuse("spec.interface", "interfaces", "it may not name its bridge %s", spec.Interface)
	}
	allowed := c.policy.Subnets
	if len(allowed) == 0 && c.confines() {
		allowed = private
	}
	for i, subnet := range spec.Subnets {
		if len(allowed) > 0 && !liesIn(allowed, subnet.Subnet) {
			c.refuse(fmt.Sprintf("spec.subnets[%d].subnet", i), "subnets", "it may not have the subnet %s", subnet.Subnet)
		}
	}
}

// liesIn reports whether a subnet lies in one of some prefixes. What is no prefix lies nowhere.
func liesIn(prefixes []string, subnet string) bool {
	inner, err := netip.ParsePrefix(subnet)
	return err == nil && slices.ContainsFunc(prefixes, func(text string) bool {
		outer, err := netip.ParsePrefix(text)
		return err == nil && outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
	})
}

package check

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// device is the name of a network device: at most 15 bytes (IFNAMSIZ), no '/' and no
// white space (dev_valid_name in Linux' net/core/dev.c); davit wants plain ones.
var device = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$`)

func checkNetwork(s *Subject, network *v1.Network) {
	spec := network.Spec
	if name := network.Metadata.Name; name == "none" || name == "host" {
		s.errorf("metadata.name", "%s means something else to containers", name)
	}
	if spec.Interface != "" && !device.MatchString(spec.Interface) {
		s.errorf("spec.interface", "%q: want at most 15 of letters, digits, '.', '_' and '-'", spec.Interface)
	}
	if spec.MTU != 0 && (spec.MTU < 68 || spec.MTU > 65535) {
		s.errorf("spec.mtu", "%d: want 68 to 65535", spec.MTU)
	}
	families := map[bool]bool{}
	for i, subnet := range spec.Subnets {
		checkSubnet(s, fmt.Sprintf("spec.subnets[%d]", i), subnet, families)
	}
	if len(spec.Plugins) == 0 {
		return
	}
	if spec.Interface != "" || spec.MTU != 0 || spec.Internal || len(spec.Subnets) > 0 {
		s.errorf("spec.plugins", "the plugins say it all: leave the other fields out")
	}
	for i, plugin := range spec.Plugins {
		var name string
		if err := json.Unmarshal(plugin["type"], &name); err != nil || !device.MatchString(name) && !pluginName.MatchString(name) {
			s.errorf(fmt.Sprintf("spec.plugins[%d].type", i), "want the name of a CNI plugin")
		}
	}
}

var pluginName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

func checkSubnet(s *Subject, field string, subnet v1.Subnet, families map[bool]bool) {
	prefix, err := netip.ParsePrefix(subnet.Subnet)
	switch {
	case err != nil:
		s.errorf(field+".subnet", "%q: want a prefix such as 10.20.0.0/24", subnet.Subnet)
		return
	case prefix.Masked() != prefix:
		s.errorHint(field+".subnet", "write "+prefix.Masked().String(), "%s has host bits", subnet.Subnet)
	case prefix.Bits() > prefix.Addr().BitLen()-2:
		s.errorf(field+".subnet", "%s has no room for a container", subnet.Subnet)
	case unusable(prefix) != "":
		s.errorf(field+".subnet", "%s %s", subnet.Subnet, unusable(prefix))
	case families[prefix.Addr().Is6()]:
		s.errorf(field+".subnet", "want at most one IPv4 and one IPv6 subnet")
	}
	families[prefix.Addr().Is6()] = true
	if subnet.Gateway == "" {
		return
	}
	gateway, err := netip.ParseAddr(subnet.Gateway)
	if err != nil || !prefix.Contains(gateway) {
		s.errorf(field+".gateway", "%q is not an address of %s", subnet.Gateway, subnet.Subnet)
	}
}

// reserved are the addresses that no network can have: they mean something else to every node, or to what a cloud
// serves its nodes by (https://www.iana.org/assignments/iana-ipv4-special-registry, iana-ipv6-special-registry).
var reserved = []struct{ prefix, what string }{
	{"0.0.0.0/8", "addresses of the node itself"},
	{"127.0.0.0/8", "loopback addresses"},
	{"169.254.0.0/16", "link-local addresses"},
	{"224.0.0.0/4", "multicast addresses"},
	{"240.0.0.0/4", "reserved addresses"},
	{"::/8", "loopback, mapped and translated addresses"},
	{"fe80::/10", "link-local addresses"},
	{"ff00::/8", "multicast addresses"},
}

// unusable says why no network can have a subnet; empty means that one can.
func unusable(subnet netip.Prefix) string {
	if subnet.Bits() == 0 {
		return "is a default route"
	}
	for _, taken := range reserved {
		if netip.MustParsePrefix(taken.prefix).Overlaps(subnet) {
			return fmt.Sprintf("overlaps %s, the %s", taken.prefix, taken.what)
		}
	}
	return ""
}

// claim is a bridge or a subnet that a network takes.
type claim struct {
	subject *Subject
	field   string
	bridge  string
	subnet  netip.Prefix
}

func (c claim) overlaps(other claim) bool {
	if c.subject == other.subject {
		return false
	}
	if c.bridge != "" {
		return c.bridge == other.bridge
	}
	return c.subnet.IsValid() && other.subnet.IsValid() && c.subnet.Overlaps(other.subnet)
}

// checkNetworks reports bridges and subnets that two networks want, each against one other.
func checkNetworks(subjects []*Subject) {
	var claims []claim
	for _, s := range subjects {
		network, ok := s.Object.(*v1.Network)
		if !ok || s.Elsewhere {
			continue
		}
		if bridge := network.Spec.Interface; bridge != "" {
			claims = append(claims, claim{subject: s, field: "spec.interface", bridge: bridge})
		}
		for i, subnet := range network.Spec.Subnets {
			if prefix, err := netip.ParsePrefix(subnet.Subnet); err == nil {
				claims = append(claims, claim{subject: s, field: fmt.Sprintf("spec.subnets[%d].subnet", i), subnet: prefix})
			}
		}
	}
	for _, c := range claims {
		i := slices.IndexFunc(claims, c.overlaps)
		if i < 0 {
			continue
		}
		other := claims[i]
		what := c.bridge + " is the bridge"
		if c.bridge == "" {
			what = fmt.Sprintf("%s overlaps %s", c.subnet, other.subnet)
		}
		c.subject.errorf(c.field, "%s of %s, in %s", what, other.subject.Object.Ref(),
			other.subject.Where(other.field))
	}
}

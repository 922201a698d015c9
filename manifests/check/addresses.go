package check

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
)

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

// checkEndpoints reports static addresses and hardware addresses that two objects want on
// one network.
func checkEndpoints(subjects []*Subject) {
	type place struct {
		subject *Subject
		field   string
	}
	taken := map[string]place{}
	claim := func(s *Subject, field, network, address string) {
		key := network + " " + address
		other, twice := taken[key]
		if !twice {
			taken[key] = place{s, field}
			return
		}
		s.errorf(field, "%s is %s's address on network %s already, in %s", address, other.subject.Object.Ref(), network,
			other.subject.Where(other.field))
	}
	for _, s := range subjects {
		containers := containersOf(s)
		if len(containers) == 0 || s.Elsewhere {
			continue
		}
		// The containers of a pod share its addresses.
		for i, attachment := range containers[0].Networks {
			field := fmt.Sprintf("%s.networks[%d]", containers[0].SandboxAt, i)
			for j, text := range attachment.Addresses {
				if address, err := netip.ParseAddr(text); err == nil {
					claim(s, fmt.Sprintf("%s.addresses[%d]", field, j), attachment.Name, address.String())
				}
			}
			if mac := attachment.MACAddress; mac != "" {
				claim(s, field+".macAddress", attachment.Name, strings.ToLower(mac))
			}
		}
	}
}

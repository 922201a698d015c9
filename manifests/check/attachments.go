package check

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
)

func checkAttachments(s *Subject, at string, spec v1.SandboxFields) {
	if spec.HostNetwork && len(spec.Networks) > 0 {
		s.errorf(at+".networks", "hostNetwork has the node's networks: want one of the two")
	}
	for i, attachment := range spec.Networks {
		field := fmt.Sprintf("%s.networks[%d]", at, i)
		switch {
		case attachment.Name == "host":
			s.errorHint(field+".name", "write hostNetwork: true", "there is no network host")
		case attachment.Name == "none" && len(spec.Networks) > 1:
			s.errorf(field+".name", "none stands alone")
		default:
			checkName(s, field+".name", attachment.Name)
		}
		checkEndpoint(s, field, attachment)
		for _, earlier := range spec.Networks[:i] {
			if earlier.Name == attachment.Name {
				s.errorf(field+".name", "network %s appears twice", attachment.Name)
			}
		}
	}
}

// checkEndpoint checks what a container is on one network.
func checkEndpoint(s *Subject, field string, attachment v1.NetworkAttachment) {
	for j, alias := range attachment.Aliases {
		checkHostname(s, fmt.Sprintf("%s.aliases[%d]", field, j), alias)
	}
	families := map[bool]bool{}
	for j, text := range attachment.Addresses {
		at := fmt.Sprintf("%s.addresses[%d]", field, j)
		address, err := netip.ParseAddr(text)
		switch {
		case err != nil || address.Zone() != "":
			s.errorf(at, "%q is not an IP address", text)
		case attachment.Name == "none":
			s.errorf(at, "network none has no addresses")
		case families[address.Is6()]:
			s.errorf(at, "want at most one IPv4 and one IPv6 address")
		}
		families[address.Is6()] = true
	}
	if mac, err := net.ParseMAC(attachment.MACAddress); attachment.MACAddress != "" && (err != nil || len(mac) != 6 || mac[0]&1 != 0) {
		s.errorf(field+".macAddress", "%q: want a unicast hardware address such as 02:42:ac:11:00:02", attachment.MACAddress)
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

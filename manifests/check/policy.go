package check

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/davit-project/davit/manifests/policy"
)

// PolicyFile checks the file of a node's policy.
func PolicyFile(s *Subject, p *policy.Policy) {
	for i, host := range p.HostPaths {
		field := fmt.Sprintf("hostPaths[%d].path", i)
		absolute(s, field, host.Path)
		if slices.ContainsFunc(p.HostPaths[:i], func(other policy.HostPath) bool { return other.Path == host.Path }) {
			s.errorf(field, "%s appears twice", host.Path)
		}
	}
	for i, ids := range p.HostIDs {
		if ids.Min < 0 || ids.Max < ids.Min || ids.Max >= 1<<32-1 {
			s.errorf(fmt.Sprintf("hostIDs[%d]", i), "want min at most max, from 0 to 4294967294")
		}
	}
	for i, ports := range p.HostPorts {
		if ports.Min < 1 || ports.Max < ports.Min || ports.Max > 65535 {
			s.errorf(fmt.Sprintf("hostPorts[%d]", i), "want min at most max, from 1 to 65535")
		}
	}
	for i, subnet := range p.Subnets {
		if prefix, err := netip.ParsePrefix(subnet); err != nil || prefix.Masked() != prefix {
			s.errorf(fmt.Sprintf("subnets[%d]", i), "%q: want a prefix such as 10.20.0.0/16", subnet)
		}
	}
	for i, name := range p.Runtimes {
		checkRuntime(s, fmt.Sprintf("runtimes[%d]", i), name)
	}
	for i, name := range p.Devices {
		if kind, isKind := strings.CutSuffix(name, "*"); !isKind || kind == "" {
			checkCDIName(s, fmt.Sprintf("devices[%d]", i), name)
		}
	}
	for i, name := range p.Capabilities {
		checkCapability(s, fmt.Sprintf("capabilities[%d]", i), name)
	}
}

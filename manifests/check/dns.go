package check

import (
	"fmt"
	"net/netip"
	"regexp"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// Bounds of the resolver library (resolv.conf(5)).
const (
	maxNameservers = 3
	maxSearches    = 32
)

var dnsOption = regexp.MustCompile(`^[a-z0-9-]+$`)

func checkDNS(s *Subject, at string, spec v1.SandboxFields) {
	config := spec.DNSConfig
	field := at + ".dnsConfig"
	if spec.DNSPolicy == "None" && len(config.Nameservers) == 0 {
		s.errorf(at+".dnsPolicy", "None needs dnsConfig.nameservers")
	}
	if len(config.Nameservers) > maxNameservers {
		s.errorf(field+".nameservers", "want at most %d", maxNameservers)
	}
	for i, server := range config.Nameservers {
		if !isAddress(server) {
			s.errorf(fmt.Sprintf("%s.nameservers[%d]", field, i), "%q is not an IP address", server)
		}
	}
	if len(config.Searches) > maxSearches {
		s.errorf(field+".searches", "want at most %d", maxSearches)
	}
	for i, domain := range config.Searches {
		checkHostname(s, fmt.Sprintf("%s.searches[%d]", field, i), domain)
	}
	for i, option := range config.Options {
		if !dnsOption.MatchString(option.Name) || option.Value != "" && !dnsOption.MatchString(option.Value) {
			s.errorf(fmt.Sprintf("%s.options[%d]", field, i), "%q is not an option of resolv.conf", option.Name)
		}
	}
}

// isAddress wants no zone: one may hold anything, line ends too.
func isAddress(text string) bool {
	address, err := netip.ParseAddr(text)
	return err == nil && address.Zone() == ""
}

// hostname is a DNS name; '_' is common in names of containers.
var hostname = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$`)

func checkHostname(s *Subject, field, name string) {
	if len(name) > 253 || !hostname.MatchString(name) {
		s.errorf(field, "%q is not a host name", name)
	}
}

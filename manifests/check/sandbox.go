package check

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// checkSandbox checks what the containers of a pod share.
func checkSandbox(s *Subject, at string, spec v1.SandboxFields) {
	checkAttachments(s, at, spec)
	checkUsers(s, at, spec)
	if spec.Hostname != "" {
		checkHostname(s, at+".hostname", spec.Hostname)
		if len(spec.Hostname) > 64 {
			s.errorf(at+".hostname", "%d bytes are more than Linux allows (64)", len(spec.Hostname))
		}
	}
	for i, alias := range spec.HostAliases {
		field := fmt.Sprintf("%s.hostAliases[%d]", at, i)
		if !isAddress(alias.IP) {
			s.errorf(field+".ip", "%q is not an IP address", alias.IP)
		}
		for j, name := range alias.Hostnames {
			checkHostname(s, fmt.Sprintf("%s.hostnames[%d]", field, j), name)
		}
	}
	checkDNS(s, at, spec)
	if spec.TimeZone != "" {
		checkZone(s, at+".timeZone", spec.TimeZone)
	}
	if spec.ShmSize != "" {
		checkQuantity(s, at+".shmSize", spec.ShmSize)
		if spec.HostIPC {
			s.errorf(at+".shmSize", "hostIPC has the node's shared memory: leave shmSize out")
		}
	}
	if spec.Runtime != "" {
		checkRuntime(s, at+".runtime", spec.Runtime)
	}
	checkVolumes(s, at, spec.Volumes)
	checkLifetime(s, at, spec)
	checkDependencies(s, at, spec.DependsOn)
}

var runtimeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// maxRuntimeName and maxRuntime bound the name and the path of a runtime.
const maxRuntimeName, maxRuntime = 63, 255

func checkRuntime(s *Subject, field, value string) {
	switch {
	case len(value) <= maxRuntimeName && runtimeName.MatchString(value):
	case !strings.HasPrefix(value, "/"):
		s.errorf(field, "%q: want the name of a program such as crun, or its absolute path", value)
	case len(value) > maxRuntime:
		s.errorf(field, "%d bytes are more than %d", len(value), maxRuntime)
	default:
		absolute(s, field, value)
	}
}

func checkLifetime(s *Subject, at string, spec v1.SandboxFields) {
	checkUpdatePolicy(s, at+".updatePolicy", spec.UpdatePolicy)
	if spec.MaxRestarts != nil && *spec.MaxRestarts < 0 {
		s.errorf(at+".maxRestarts", "%d: want 0 or more", *spec.MaxRestarts)
	}
	checkSeconds(s, at+".terminationGracePeriodSeconds", spec.TerminationGracePeriodSeconds, 0)
	checkSeconds(s, at+".activeDeadlineSeconds", spec.ActiveDeadlineSeconds, 1)
}

// maxSeconds bounds times, to 68 years. systemd counts microseconds of 64 bits, and davit nanoseconds.
const maxSeconds = math.MaxInt32

// checkSeconds checks a time that has a least value.
func checkSeconds(s *Subject, field string, seconds *int64, least int64) {
	switch {
	case seconds == nil:
	case *seconds < least:
		s.errorf(field, "%d: want %d or more", *seconds, least)
	case *seconds > maxSeconds:
		s.errorf(field, "%d: want at most %d, which are 68 years", *seconds, int64(maxSeconds))
	}
}

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

func checkPort(s *Subject, field string, port v1.ContainerPort, sandbox v1.SandboxFields) {
	last := max(port.EndPort, port.ContainerPort)
	if port.ContainerPort < 1 || last > 65535 {
		s.errorf(field+".containerPort", "want a port from 1 to 65535")
	}
	if port.EndPort != 0 && port.EndPort < port.ContainerPort {
		s.errorf(field+".endPort", "%d is below containerPort %d", port.EndPort, port.ContainerPort)
	}
	if port.HostPort < 0 || int64(port.HostPort)+int64(last)-int64(port.ContainerPort) > 65535 {
		s.errorf(field+".hostPort", "want ports from 1 to 65535")
	}
	if port.HostIP != "" && !isAddress(port.HostIP) {
		s.errorf(field+".hostIP", "%q is not an IP address", port.HostIP)
	}
	if port.AutoHostPort {
		checkAutoHostPort(s, field+".autoHostPort", port, sandbox)
	}
	switch {
	case port.HostPort == 0:
	case sandbox.HostNetwork && port.HostPort != port.ContainerPort:
		s.errorf(field+".hostPort", "with hostNetwork a port is the node's already: leave hostPort out")
	case len(sandbox.Networks) == 1 && sandbox.Networks[0].Name == "none":
		s.errorf(field+".hostPort", "network none has no ports to publish")
	}
}

func checkAutoHostPort(s *Subject, field string, port v1.ContainerPort, sandbox v1.SandboxFields) {
	switch {
	case port.HostPort != 0:
		s.errorf(field, "there is hostPort already")
	case port.EndPort != 0:
		s.errorf(field, "a range needs hostPort")
	case sandbox.HostNetwork:
		s.errorf(field, "with hostNetwork a port is the node's already: leave autoHostPort out")
	case len(sandbox.Networks) == 1 && sandbox.Networks[0].Name == "none":
		s.errorf(field, "network none has no ports to publish")
	}
}

func checkDependencies(s *Subject, at string, dependencies []v1.Dependency) {
	for i, dependency := range dependencies {
		field := fmt.Sprintf("%s.dependsOn[%d]", at, i)
		checkName(s, field+".name", dependency.Name)
		if slices.ContainsFunc(dependencies[:i], func(earlier v1.Dependency) bool {
			return earlier.Name == dependency.Name && earlier.Kind == dependency.Kind
		}) {
			s.errorf(field, "%s appears twice", dependency.Name)
		}
	}
}

// maxSurge bounds updatePolicy.maxSurge.
const maxSurge = 100

// checkSurge refuses to start what can be there but once beside what runs.
func checkSurge(s *Subject, at string, policy v1.UpdatePolicy, field, reason string) {
	if reason != "" && policy.MaxSurge != nil && *policy.MaxSurge > 0 {
		s.errorf(at+".updatePolicy.maxSurge", "there cannot be one more at a time because of %s.%s: %s", at, field, reason)
	}
}

func checkUpdatePolicy(s *Subject, at string, policy v1.UpdatePolicy) {
	if deadline := policy.ProgressDeadlineSeconds; deadline != nil && *deadline < 1 {
		s.errorf(at+".progressDeadlineSeconds", "%d: want 1 or more", *deadline)
	}
	surge := policy.MaxSurge != nil && *policy.MaxSurge != 0
	if most := policy.MaxUnavailable; most != nil && (*most < 0 || *most == 0 && !surge) {
		s.errorf(at+".maxUnavailable", "%d: want 1 or more, or maxSurge", *most)
	}
	if most := policy.MaxSurge; most != nil && (*most < 0 || *most > maxSurge) {
		s.errorf(at+".maxSurge", "%d: want 0 to %d", *most, maxSurge)
	}
	if rolling := policy.Strategy == "" || policy.Strategy == v1.StrategyRollingUpdate; surge && !rolling {
		s.errorf(at+".maxSurge", "with strategy %s no instance is started beside the running one: want one of the two", policy.Strategy)
	}
	if soak := policy.MinReadySeconds; soak != nil && *soak < 0 {
		s.errorf(at+".minReadySeconds", "%d: want 0 or more", *soak)
	}
}

package manifests

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
func (d *document) checkSandbox(at string, spec v1.SandboxFields) {
	d.checkAttachments(at, spec)
	d.checkUsers(at, spec)
	if spec.Hostname != "" {
		d.checkHostname(at+".hostname", spec.Hostname)
		if len(spec.Hostname) > 64 {
			d.errorf(at+".hostname", "%d bytes are more than Linux allows (64)", len(spec.Hostname))
		}
	}
	for i, alias := range spec.HostAliases {
		field := fmt.Sprintf("%s.hostAliases[%d]", at, i)
		if !isAddress(alias.IP) {
			d.errorf(field+".ip", "%q is not an IP address", alias.IP)
		}
		for j, name := range alias.Hostnames {
			d.checkHostname(fmt.Sprintf("%s.hostnames[%d]", field, j), name)
		}
	}
	d.checkDNS(at, spec)
	if spec.TimeZone != "" {
		d.checkZone(at+".timeZone", spec.TimeZone)
	}
	if spec.ShmSize != "" {
		d.quantity(at+".shmSize", spec.ShmSize)
		if spec.HostIPC {
			d.errorf(at+".shmSize", "hostIPC has the node's shared memory: leave shmSize out")
		}
	}
	if spec.Runtime != "" {
		d.checkRuntime(at+".runtime", spec.Runtime)
	}
	d.checkVolumes(at, spec.Volumes)
	d.checkLifetime(at, spec)
	d.checkDependencies(at, spec.DependsOn)
}

var runtimeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// maxRuntimeName and maxRuntime bound the name and the path of a runtime.
const maxRuntimeName, maxRuntime = 63, 255

func (d *document) checkRuntime(field, value string) {
	switch {
	case len(value) <= maxRuntimeName && runtimeName.MatchString(value):
	case !strings.HasPrefix(value, "/"):
		d.errorf(field, "%q: want the name of a program such as crun, or its absolute path", value)
	case len(value) > maxRuntime:
		d.errorf(field, "%d bytes are more than %d", len(value), maxRuntime)
	default:
		d.absolute(field, value)
	}
}

func (d *document) checkLifetime(at string, spec v1.SandboxFields) {
	d.checkUpdatePolicy(at+".updatePolicy", spec.UpdatePolicy)
	if spec.MaxRestarts != nil && *spec.MaxRestarts < 0 {
		d.errorf(at+".maxRestarts", "%d: want 0 or more", *spec.MaxRestarts)
	}
	d.checkSeconds(at+".terminationGracePeriodSeconds", spec.TerminationGracePeriodSeconds, 0)
	d.checkSeconds(at+".activeDeadlineSeconds", spec.ActiveDeadlineSeconds, 1)
}

// maxSeconds bounds times, to 68 years. systemd counts microseconds of 64 bits, and davit nanoseconds.
const maxSeconds = math.MaxInt32

// checkSeconds checks a time that has a least value.
func (d *document) checkSeconds(field string, seconds *int64, least int64) {
	switch {
	case seconds == nil:
	case *seconds < least:
		d.errorf(field, "%d: want %d or more", *seconds, least)
	case *seconds > maxSeconds:
		d.errorf(field, "%d: want at most %d, which are 68 years", *seconds, int64(maxSeconds))
	}
}

func (d *document) checkAttachments(at string, spec v1.SandboxFields) {
	if spec.HostNetwork && len(spec.Networks) > 0 {
		d.errorf(at+".networks", "hostNetwork has the node's networks: want one of the two")
	}
	for i, attachment := range spec.Networks {
		field := fmt.Sprintf("%s.networks[%d]", at, i)
		switch {
		case attachment.Name == "host":
			d.errorHint(field+".name", "write hostNetwork: true", "there is no network host")
		case attachment.Name == "none" && len(spec.Networks) > 1:
			d.errorf(field+".name", "none stands alone")
		default:
			d.checkName(field+".name", attachment.Name)
		}
		d.checkEndpoint(field, attachment)
		for _, earlier := range spec.Networks[:i] {
			if earlier.Name == attachment.Name {
				d.errorf(field+".name", "network %s appears twice", attachment.Name)
			}
		}
	}
}

// checkEndpoint checks what a container is on one network.
func (d *document) checkEndpoint(field string, attachment v1.NetworkAttachment) {
	for j, alias := range attachment.Aliases {
		d.checkHostname(fmt.Sprintf("%s.aliases[%d]", field, j), alias)
	}
	families := map[bool]bool{}
	for j, text := range attachment.Addresses {
		at := fmt.Sprintf("%s.addresses[%d]", field, j)
		address, err := netip.ParseAddr(text)
		switch {
		case err != nil || address.Zone() != "":
			d.errorf(at, "%q is not an IP address", text)
		case attachment.Name == "none":
			d.errorf(at, "network none has no addresses")
		case families[address.Is6()]:
			d.errorf(at, "want at most one IPv4 and one IPv6 address")
		}
		families[address.Is6()] = true
	}
	if mac, err := net.ParseMAC(attachment.MACAddress); attachment.MACAddress != "" && (err != nil || len(mac) != 6 || mac[0]&1 != 0) {
		d.errorf(field+".macAddress", "%q: want a unicast hardware address such as 02:42:ac:11:00:02", attachment.MACAddress)
	}
}

// Bounds of the resolver library (resolv.conf(5)).
const (
	maxNameservers = 3
	maxSearches    = 32
)

var dnsOption = regexp.MustCompile(`^[a-z0-9-]+$`)

func (d *document) checkDNS(at string, spec v1.SandboxFields) {
	config := spec.DNSConfig
	field := at + ".dnsConfig"
	if spec.DNSPolicy == "None" && len(config.Nameservers) == 0 {
		d.errorf(at+".dnsPolicy", "None needs dnsConfig.nameservers")
	}
	if len(config.Nameservers) > maxNameservers {
		d.errorf(field+".nameservers", "want at most %d", maxNameservers)
	}
	for i, server := range config.Nameservers {
		if !isAddress(server) {
			d.errorf(fmt.Sprintf("%s.nameservers[%d]", field, i), "%q is not an IP address", server)
		}
	}
	if len(config.Searches) > maxSearches {
		d.errorf(field+".searches", "want at most %d", maxSearches)
	}
	for i, domain := range config.Searches {
		d.checkHostname(fmt.Sprintf("%s.searches[%d]", field, i), domain)
	}
	for i, option := range config.Options {
		if !dnsOption.MatchString(option.Name) || option.Value != "" && !dnsOption.MatchString(option.Value) {
			d.errorf(fmt.Sprintf("%s.options[%d]", field, i), "%q is not an option of resolv.conf", option.Name)
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

func (d *document) checkHostname(field, name string) {
	if len(name) > 253 || !hostname.MatchString(name) {
		d.errorf(field, "%q is not a host name", name)
	}
}

func (d *document) checkPort(field string, port v1.ContainerPort, sandbox v1.SandboxFields) {
	last := max(port.EndPort, port.ContainerPort)
	if port.ContainerPort < 1 || last > 65535 {
		d.errorf(field+".containerPort", "want a port from 1 to 65535")
	}
	if port.EndPort != 0 && port.EndPort < port.ContainerPort {
		d.errorf(field+".endPort", "%d is below containerPort %d", port.EndPort, port.ContainerPort)
	}
	if port.HostPort < 0 || int64(port.HostPort)+int64(last)-int64(port.ContainerPort) > 65535 {
		d.errorf(field+".hostPort", "want ports from 1 to 65535")
	}
	if port.HostIP != "" && !isAddress(port.HostIP) {
		d.errorf(field+".hostIP", "%q is not an IP address", port.HostIP)
	}
	if port.AutoHostPort {
		d.checkAutoHostPort(field+".autoHostPort", port, sandbox)
	}
	switch {
	case port.HostPort == 0:
	case sandbox.HostNetwork && port.HostPort != port.ContainerPort:
		d.errorf(field+".hostPort", "with hostNetwork a port is the node's already: leave hostPort out")
	case len(sandbox.Networks) == 1 && sandbox.Networks[0].Name == "none":
		d.errorf(field+".hostPort", "network none has no ports to publish")
	}
}

func (d *document) checkAutoHostPort(field string, port v1.ContainerPort, sandbox v1.SandboxFields) {
	switch {
	case port.HostPort != 0:
		d.errorf(field, "there is hostPort already")
	case port.EndPort != 0:
		d.errorf(field, "a range needs hostPort")
	case sandbox.HostNetwork:
		d.errorf(field, "with hostNetwork a port is the node's already: leave autoHostPort out")
	case len(sandbox.Networks) == 1 && sandbox.Networks[0].Name == "none":
		d.errorf(field, "network none has no ports to publish")
	}
}

func (d *document) checkDependencies(at string, dependencies []v1.Dependency) {
	for i, dependency := range dependencies {
		field := fmt.Sprintf("%s.dependsOn[%d]", at, i)
		d.checkName(field+".name", dependency.Name)
		if slices.ContainsFunc(dependencies[:i], func(earlier v1.Dependency) bool {
			return earlier.Name == dependency.Name && earlier.Kind == dependency.Kind
		}) {
			d.errorf(field, "%s appears twice", dependency.Name)
		}
	}
}

// maxSurge bounds updatePolicy.maxSurge.
const maxSurge = 100

// checkSurge refuses to start what can be there but once beside what runs.
func (d *document) checkSurge(at string, policy v1.UpdatePolicy, field, reason string) {
	if reason != "" && policy.MaxSurge != nil && *policy.MaxSurge > 0 {
		d.errorf(at+".updatePolicy.maxSurge", "there cannot be one more at a time because of %s.%s: %s", at, field, reason)
	}
}

func (d *document) checkUpdatePolicy(at string, policy v1.UpdatePolicy) {
	if deadline := policy.ProgressDeadlineSeconds; deadline != nil && *deadline < 1 {
		d.errorf(at+".progressDeadlineSeconds", "%d: want 1 or more", *deadline)
	}
	surge := policy.MaxSurge != nil && *policy.MaxSurge != 0
	if most := policy.MaxUnavailable; most != nil && (*most < 0 || *most == 0 && !surge) {
		d.errorf(at+".maxUnavailable", "%d: want 1 or more, or maxSurge", *most)
	}
	if most := policy.MaxSurge; most != nil && (*most < 0 || *most > maxSurge) {
		d.errorf(at+".maxSurge", "%d: want 0 to %d", *most, maxSurge)
	}
	if rolling := policy.Strategy == "" || policy.Strategy == v1.StrategyRollingUpdate; surge && !rolling {
		d.errorf(at+".maxSurge", "with strategy %s no instance is started beside the running one: want one of the two", policy.Strategy)
	}
	if soak := policy.MinReadySeconds; soak != nil && *soak < 0 {
		d.errorf(at+".minReadySeconds", "%d: want 0 or more", *soak)
	}
}

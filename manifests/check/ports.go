package check

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// published are the ports that one entry of a container takes on the node.
type published struct {
	subject     *Subject
	field       string
	protocol    string
	host        netip.Addr // the zero value means every address
	first, last int32
}

// checkPublished reports ports that two containers want. A whole range is one report, and
// each entry is reported against one other: more would only say the same again.
func checkPublished(subjects []*Subject) {
	taken := map[string][]published{}
	for _, s := range subjects {
		if s.Elsewhere {
			continue
		}
		for _, c := range containersOf(s) {
			for i, port := range c.Ports {
				if p, ok := portsOf(s, fmt.Sprintf("%s.ports[%d]", c.At, i), port); ok {
					taken[p.protocol] = append(taken[p.protocol], p)
				}
			}
			for _, p := range socketPorts(c) {
				taken[p.protocol] = append(taken[p.protocol], p)
			}
		}
	}
	for _, protocol := range slices.Sorted(maps.Keys(taken)) {
		for i, p := range taken[protocol] {
			other := func(o published) bool { return o.field != p.field || o.subject != p.subject }
			if j := slices.IndexFunc(taken[protocol], func(o published) bool { return other(o) && p.overlaps(o) }); j >= 0 {
				taken[protocol][i].reportClash(taken[protocol][j])
			}
		}
	}
}

// portsOf leaves out what has been reported already.
func portsOf(s *Subject, field string, port v1.ContainerPort) (published, bool) {
	length := int64(max(port.EndPort, port.ContainerPort)) - int64(port.ContainerPort)
	if port.HostPort < 1 || int64(port.HostPort)+length > 65535 {
		return published{}, false
	}
	protocol := port.Protocol
	if protocol == "" {
		protocol = "TCP"
	}
	host, _ := netip.ParseAddr(port.HostIP)
	host = host.Unmap()
	if host.IsUnspecified() {
		host = netip.Addr{}
	}
	return published{s, field + ".hostPort", protocol, host, port.HostPort, port.HostPort + int32(length)}, true
}

// socketPorts are the ports of the node that systemd listens on for a container.
func socketPorts(c container) []published {
	var all []published
	for i, socket := range c.Sockets {
		for _, listen := range []struct {
			field, protocol string
			address         v1.ListenAddress
		}{{"listenStream", "TCP", socket.ListenStream}, {"listenDatagram", "UDP", socket.ListenDatagram}} {
			address, err := listen.address.AddrPort()
			if err != nil {
				continue // a path, or reported already
			}
			host := address.Addr().Unmap()
			if host.IsUnspecified() {
				host = netip.Addr{}
			}
			port := int32(address.Port())
			all = append(all, published{c.Subject, fmt.Sprintf("%s.sockets[%d].%s", c.At, i, listen.field), listen.protocol, host, port, port})
		}
	}
	return all
}

func (p published) overlaps(other published) bool {
	if p.host.IsValid() && other.host.IsValid() && p.host != other.host {
		return false
	}
	return p.first <= other.last && other.first <= p.last
}

func (p published) reportClash(other published) {
	p.subject.errorf(p.field, "port %d/%s of the node is wanted by %s too, in %s", max(p.first, other.first), p.protocol,
		other.subject.Object.Ref(), other.subject.Where(other.field))
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

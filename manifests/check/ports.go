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

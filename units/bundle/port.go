package bundle

import "fmt"

// Port publishes a port, or a range of ports. The JSON of one port is the portMappings capability of CNI
// (https://www.cni.dev/docs/conventions/).
type Port struct {
	HostPort      int32  `json:"hostPort"`
	ContainerPort int32  `json:"containerPort"`
	Protocol      string `json:"protocol"` // tcp, udp or sctp
	HostIP        string `json:"hostIP,omitempty"`
	// Count is the length of a range that begins with both ports. It is 0 for one port.
	Count int32 `json:"count,omitempty"`
}

// Last is the last port of the node.
func (p Port) Last() int32 { return p.HostPort + max(p.Count, 1) - 1 }

// Contains reports whether a port of the node is among those that p publishes.
func (p Port) Contains(port int32) bool { return p.HostPort <= port && port <= p.Last() }

// Overlaps reports whether both publish a port of the node, at whichever of its addresses.
func (p Port) Overlaps(other Port) bool {
	return p.Protocol == other.Protocol && p.HostPort <= other.Last() && other.HostPort <= p.Last()
}

// OnNode is the published port, without its target and address.
func (p Port) OnNode() Port { return rangeOf(p.Protocol, p.HostPort, p.Last()) }

// Without are the ports on both sides of the other's, as [Port.OnNode] has them.
func (p Port) Without(other Port) []Port {
	if !p.Overlaps(other) {
		return []Port{p.OnNode()}
	}
	var left []Port
	if p.HostPort < other.HostPort {
		left = append(left, rangeOf(p.Protocol, p.HostPort, other.HostPort-1))
	}
	if other.Last() < p.Last() {
		left = append(left, rangeOf(p.Protocol, other.Last()+1, p.Last()))
	}
	return left
}

func rangeOf(protocol string, first, last int32) Port {
	p := Port{HostPort: first, Protocol: protocol}
	if last > first {
		p.Count = last - first + 1
	}
	return p
}

// String is the port of the node with its protocol: "8080/tcp", "9000-9099/udp".
func (p Port) String() string {
	if last := p.Last(); last > p.HostPort {
		return fmt.Sprintf("%d-%d/%s", p.HostPort, last, p.Protocol)
	}
	return fmt.Sprintf("%d/%s", p.HostPort, p.Protocol)
}

// Merge makes a range of ports that follow each other.
func Merge(ports []Port) []Port {
	var merged []Port
	for _, port := range ports {
		if last := len(merged) - 1; last >= 0 && merged[last].precedes(port) {
			merged[last].Count = max(merged[last].Count, 1) + max(port.Count, 1)
		} else {
			merged = append(merged, port)
		}
	}
	return merged
}

// precedes reports whether the next port, on the node and in the container, is the first of the other range.
func (p Port) precedes(next Port) bool {
	return p.Protocol == next.Protocol && p.HostIP == next.HostIP && p.Last()+1 == next.HostPort &&
		next.HostPort-p.HostPort == next.ContainerPort-p.ContainerPort
}

// Split makes single ports of ranges, for programs without ranges.
func Split(ports []Port) []Port {
	var single []Port
	for _, port := range ports {
		for offset := range max(port.Count, 1) {
			single = append(single, Port{port.HostPort + offset, port.ContainerPort + offset, port.Protocol, port.HostIP, 0})
		}
	}
	return single
}

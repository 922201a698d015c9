package network

import (
	"net/netip"
	"slices"
	"time"

	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/nat"
	"github.com/davit-project/davit/units/bundle"
)

// heldFor is how long a container has its ports while it does not run: longer than the longest wait for the next start.
const heldFor = 10 * time.Minute

// NewPorts are the ports that the container does not have yet. Those that it had it keeps when it starts again by itself, or is
// restarted: otherwise a user of the node could keep it down by listening where it publishes. The agent reports who does.
func NewPorts(b *bundle.Bundle, kept bool, now time.Time) []bundle.Port {
	if kept {
		return nil
	}
	last := record.LastRun(b.ID)
	if last == nil || now.Sub(last.At) > heldFor {
		return b.Network.Ports
	}
	return slices.DeleteFunc(slices.Clone(b.Network.Ports), func(port bundle.Port) bool { return slices.Contains(last.Ports, port) })
}

// endpointForPorts returns the endpoint to which the node's ports of a container lead; nil for a container without
// ports, or if a CNI plugin publishes them.
func endpointForPorts(b *bundle.Bundle) (*nat.Endpoint, error) {
	if len(b.Network.Ports) == 0 || len(b.Network.Attachments) == 0 {
		return nil, nil
	}
	first := b.Network.Attachments[0]
	network, own, err := bundle.DecodeBridgeNetwork(first.Conflist)
	if err != nil || !own {
		return nil, err
	}
	m, err := readMember(bundle.MemberFile(b.ID))
	if err != nil {
		return nil, err
	}
	end := &nat.Endpoint{Container: b.ID, Network: network, Ports: b.Network.Ports}
	for _, text := range m.Networks[first.Network].Addresses {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return nil, err
		}
		end.Addresses = append(end.Addresses, address)
	}
	return end, nil
}

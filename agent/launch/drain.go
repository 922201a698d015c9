package launch

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/davit-project/davit/agent/nat"
	"github.com/davit-project/davit/units/bundle"
)

// A replica answers to its name, and through the ports of the node that it publishes, from when it is ready
// until before it is stopped: the others have both then, before its process hears of the stop. See hosts.go and
// agent/nat.

// maxDrain is how long a replica that is about to stop still serves those who have looked up its name before, if
// there are others to ask. C libraries read /etc/hosts at each look-up, and the connection follows within
// milliseconds, or after some hundreds of them on a node that is busy. What keeps names for longer, such as Go's resolver for five seconds, is served only as long
// as a preStop hook sleeps.
const maxDrain = time.Second

// drainOf is how long a replica serves, of its grace period. A hook that sleeps as long does the same.
func drainOf(grace time.Duration, hook *bundle.Hook) time.Duration {
	drain := min(maxDrain, grace/4)
	if hook != nil && time.Duration(hook.SleepSeconds)*time.Second >= drain {
		return 0
	}
	return drain
}

// withdraw leaves a replica's name and its ports to the others, and reports whether there are others that are
// ready.
func withdraw(b *bundle.Bundle) (others bool, err error) {
	named, err := setReady(b.ID, false)
	if err != nil {
		return false, fmt.Errorf("leave the name to the others: %w", err)
	}
	published, err := endpointForPorts(b)
	if err != nil || published == nil {
		return named, err
	}
	led, err := nat.Withdraw(*published)
	return named || led, err
}

// withdrawEnded is [withdraw] for a container that has ended by itself, if it is a replica.
func withdrawEnded(id string) error {
	b, err := readRunning(id)
	if err != nil || !b.Replica {
		return nil // the clean-up sees to what there is
	}
	_, err = withdraw(b)
	return err
}

// takeOver makes a replica that is ready answer to its name, and to those who come through its ports.
func takeOver(b *bundle.Bundle) error {
	published, err := endpointForPorts(b)
	if err == nil && published != nil {
		err = nat.Prefer(*published)
	}
	if err != nil {
		return err
	}
	if _, err := setReady(b.ID, true); err != nil {
		return fmt.Errorf("tell its neighbours: %w", err)
	}
	return nil
}

// endpointForPorts is what leads from the ports of the node to a container; nil for one without, and for one
// whose ports a CNI plugin publishes.
func endpointForPorts(b *bundle.Bundle) (*nat.Endpoint, error) {
	if len(b.Network.Ports) == 0 || len(b.Network.Attachments) == 0 {
		return nil, nil
	}
	first := b.Network.Attachments[0]
	network, own, err := bundle.DecodeBridgeNetwork(first.Conflist)
	if err != nil || !own {
		return nil, err
	}
	m, err := readMember(memberFile(b.ID))
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

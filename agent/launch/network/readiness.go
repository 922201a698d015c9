package network

import (
	"fmt"

	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/nat"
	"github.com/davit-project/davit/units/bundle"
)

// A replica answers to its name, and through the ports of the node that it publishes, from when it is ready until
// before it is stopped: the others have taken over both before its process receives the stop signal. See hosts.go and
// agent/nat.

// Withdraw leaves a replica's name and its ports to the others, and reports whether there are others that are
// ready.
func Withdraw(b *bundle.Bundle) (others bool, err error) {
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

// WithdrawEnded is [Withdraw] for a container that has ended by itself, if it is a replica.
func WithdrawEnded(id string) error {
	b, err := record.ReadRunning(id)
	if err != nil || !b.Replica {
		return nil // the clean-up handles it
	}
	_, err = Withdraw(b)
	return err
}

// TakeOver adds a ready replica to its name and to the targets of its ports.
func TakeOver(b *bundle.Bundle) error {
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

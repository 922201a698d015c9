package systemd

import (
	"context"
	"fmt"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"

	"github.com/davit-project/davit/units/bus"
)

// connection is one to systemd, for calls and for signals: systemd writes each signal to each of its connections, and
// a signal of a unit that starts has a hundred properties.
type connection struct {
	*dbus.Conn
	manager godbus.BusObject // for calls that the library does not have, or not as fast
	signals *signals
	listing *listing
	// lost is closed when systemd has cut the connection, as it does when it re-executes itself, and
	// when it was closed.
	lost <-chan struct{}
}

// connect connects to systemd, until the context ends.
func connect(ctx context.Context) (*connection, error) {
	received := newSignals()
	one, err := bus.Dial(ctx, godbus.WithSignalHandler(received))
	if err != nil {
		return nil, fmt.Errorf("connect to systemd: %w (davit needs root on a node that runs systemd)", err)
	}
	// The library asks for a second connection, for signals. It waits for nothing while it takes one from its channel.
	conn, err := dbus.NewConnection(func() (*godbus.Conn, error) { return one, nil })
	if err != nil {
		one.Close()
		return nil, fmt.Errorf("connect to systemd: %w", err)
	}
	manager := one.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
	return &connection{conn, manager, received, &received.listing, one.Context().Done()}, nil
}

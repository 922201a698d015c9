package units

import (
	"context"
	"fmt"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"

	"github.com/davit-project/davit/units/bus"
)

// connection is one to systemd whose end is told.
type connection struct {
	*dbus.Conn
	// lost is closed when systemd has cut the connection, as it does when it re-executes itself, and
	// when it was closed.
	lost <-chan struct{}
}

// connect connects to systemd and has it send signals, until the context ends.
func connect(ctx context.Context) (*connection, error) {
	end, ended := context.WithCancel(context.Background())
	conn, err := dbus.NewConnection(func() (*godbus.Conn, error) {
		// It is two connections, one for calls and one for signals.
		one, err := bus.Dial(ctx)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(one.Context(), ended)
		return one, nil
	})
	if err != nil {
		ended()
		return nil, fmt.Errorf("connect to systemd: %w (davit needs root on a node that runs systemd)", err)
	}
	if err := conn.Subscribe(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("subscribe to systemd's signals: %w", err)
	}
	return &connection{conn, end.Done()}, nil
}

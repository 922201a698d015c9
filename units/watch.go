package units

import (
	"context"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
)

// changesBuffer is how many changes of units may wait to be read: a boot of many.
const changesBuffer = 1024

// Watch returns the names of units as they change, until the context or the connection to systemd
// ends: then the channel is closed. An empty name says that changes were missed.
func Watch(ctx context.Context) (<-chan string, error) {
	conn, err := dbus.NewSystemdConnectionContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to systemd: %w", err)
	}
	changes, missed := make(chan *dbus.PropertiesUpdate, changesBuffer), make(chan error, 1)
	conn.SetPropertiesSubscriber(changes, missed)
	if err := conn.Subscribe(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("subscribe to systemd's signals: %w", err)
	}
	names := make(chan string)
	go func() {
		defer close(names)
		defer conn.Close()
		alive := time.NewTicker(lossCheck)
		defer alive.Stop()
		for {
			name := ""
			select {
			case change := <-changes:
				name = change.UnitName
			case <-missed:
			case <-alive.C:
				if !conn.Connected() {
					return
				}
				continue
			case <-ctx.Done():
				return
			}
			select {
			case names <- name:
			case <-ctx.Done():
				return
			}
		}
	}()
	return names, nil
}

package units

import (
	"context"

	"github.com/coreos/go-systemd/v22/dbus"
)

// changesBuffer is how many changes of units may wait to be read: a boot of many.
const changesBuffer = 1024

// Watch returns the names of units as they change, until the context or the connection to systemd
// ends: then the channel is closed. An empty name says that changes were missed.
func Watch(ctx context.Context) (<-chan string, error) {
	conn, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	changes, missed := make(chan *dbus.PropertiesUpdate, changesBuffer), make(chan error, 1)
	conn.SetPropertiesSubscriber(changes, missed)
	names := make(chan string)
	go func() {
		defer close(names)
		defer conn.Close()
		passOn(ctx, conn.lost, changes, missed, names)
	}()
	return names, nil
}

// passOn passes each name on once, however often its unit changes while nobody asks.
func passOn(ctx context.Context, lost <-chan struct{}, changes <-chan *dbus.PropertiesUpdate, missed <-chan error, names chan<- string) {
	waiting := map[string]bool{}
	for {
		var out chan<- string
		next := ""
		for next = range waiting {
			out = names
			break
		}
		select {
		case change := <-changes:
			waiting[change.UnitName] = true
		case <-missed:
			waiting[""] = true
		case out <- next:
			delete(waiting, next)
		case <-lost:
			return
		case <-ctx.Done():
			return
		}
	}
}

package systemd

import (
	"context"
	"encoding/hex"
	"path"
	"strings"
	"sync"

	godbus "github.com/godbus/dbus/v5"
)

// Watch returns the names of units as they change, each once however often it changes before the name is read. When the
// context or the connection to systemd ends, the channel is closed: changes may be missed until the next call.
func (s *Manager) Watch(ctx context.Context) (<-chan string, error) {
	conn, err := s.connection(ctx)
	if err != nil {
		return nil, err
	}
	w := &watcher{changed: map[string]bool{}, more: make(chan struct{}, 1)}
	conn.signals.add(w)
	names := make(chan string)
	go func() {
		defer close(names)
		defer conn.signals.remove(w)
		w.passOn(ctx, conn.lost, names)
	}()
	return names, nil
}

// signals receives the signals of systemd on a connection. The goroutine that reads the connection calls it, so it never
// blocks, and it keeps only the names of units and the states that systemd has listed for them.
type signals struct {
	jobs    // takes the ends of jobs
	listing listing

	mu       sync.Mutex
	watchers map[*watcher]bool
}

// jobs queues signals for the library, which waits for the ends of the jobs that it has started.
type jobs interface {
	godbus.SignalHandler
	godbus.SignalRegistrar
	godbus.Terminator
}

func newSignals() *signals {
	return &signals{jobs: godbus.NewSequentialSignalHandler().(jobs), watchers: map[*watcher]bool{}}
}

// DeliverSignal implements [godbus.SignalHandler]. Signals are those of org.freedesktop.systemd1(5).
func (s *signals) DeliverSignal(iface, member string, signal *godbus.Signal) {
	switch member {
	case "JobRemoved":
		s.jobs.DeliverSignal(iface, member, signal)
		s.forget(signal, 2)
	case "JobNew":
		s.forget(signal, 2)
	case "UnitNew", "UnitRemoved":
		s.forget(signal, 0)
	case "Reloading":
		s.listing.clear()
	case "PropertiesChanged":
		// Each change of a unit has one signal for the interface of all units, and one for that of its type.
		if len(signal.Body) > 0 && signal.Body[0] == "org.freedesktop.systemd1.Unit" {
			unit := unitOf(signal.Path)
			s.listing.changed(unit)
			s.note(unit)
		}
	}
}

// forget forgets the listed state of the unit that an argument of a signal names.
func (s *signals) forget(signal *godbus.Signal, argument int) {
	if len(signal.Body) > argument {
		if unit, ok := signal.Body[argument].(string); ok {
			s.listing.changed(unit)
		}
	}
}

func (s *signals) add(w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers[w] = true
}

func (s *signals) remove(w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watchers, w)
}

func (s *signals) note(unit string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watchers {
		w.note(unit)
	}
}

// unitOf is the unit of an object of systemd's: the last part of the path, in which a byte that is no letter or digit is an
// underscore and two hexadecimal digits (sd_bus_path_encode(3)).
func unitOf(object godbus.ObjectPath) string {
	var name strings.Builder
	encoded := path.Base(string(object))
	for i := 0; i < len(encoded); i++ {
		if encoded[i] == '_' && i+2 < len(encoded) {
			if decoded, err := hex.DecodeString(encoded[i+1 : i+3]); err == nil {
				name.Write(decoded)
				i += 2
				continue
			}
		}
		name.WriteByte(encoded[i])
	}
	return name.String()
}

// watcher has the units that changed and were not passed on yet.
type watcher struct {
	mu      sync.Mutex
	changed map[string]bool
	more    chan struct{} // has one if changed is not empty
}

func (w *watcher) note(unit string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed[unit] = true
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// take returns the units that changed since the last call.
func (w *watcher) take() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	changed := w.changed
	w.changed = map[string]bool{}
	return changed
}

// passOn passes the names on until the context or the connection ends.
func (w *watcher) passOn(ctx context.Context, lost <-chan struct{}, names chan<- string) {
	for {
		select {
		case <-w.more:
		case <-lost:
			return
		case <-ctx.Done():
			return
		}
		for unit := range w.take() {
			select {
			case names <- unit:
			case <-lost:
				return
			case <-ctx.Done():
				return
			}
		}
	}
}

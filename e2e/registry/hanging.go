package registry

import (
	"errors"
	"net"
	"sync"
)

// hanging is a listener that takes connections and never reads from them.
type hanging struct {
	net.Listener
	mu          sync.Mutex
	connections []net.Conn
}

func (h *hanging) accept() {
	for {
		connection, err := h.Accept()
		if err != nil {
			return // closed
		}
		h.mu.Lock()
		h.connections = append(h.connections, connection)
		h.mu.Unlock()
	}
}

// Close closes the listener and its connections.
func (h *hanging) Close() error {
	errs := []error{h.Listener.Close()}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, connection := range h.connections {
		errs = append(errs, connection.Close())
	}
	return errors.Join(errs...)
}

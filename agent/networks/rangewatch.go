package networks

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/reconcile/resolve"
)

// RangeWatch remembers [nodeRanges] until the kernel says that addresses, routes or devices have changed: with hundreds of
// containers the lists are long, and most passes find nothing new. The zero value is ready; it is not for several
// goroutines at once.
type RangeWatch struct {
	events int // a netlink socket; 0 for none yet
	known  []resolve.Range
	valid  bool
}

// Ranges returns the current result of [nodeRanges].
func (w *RangeWatch) Ranges() ([]resolve.Range, error) {
	if w.events == 0 {
		if err := w.listen(); err != nil {
			return nil, fmt.Errorf("watch the node's addresses and routes: %w", err)
		}
	}
	changed, err := w.changed()
	if err != nil {
		return nil, fmt.Errorf("watch the node's addresses and routes: %w", err)
	}
	if w.valid && !changed {
		return w.known, nil
	}
	// A change from here on is another event.
	w.known, err = nodeRanges()
	w.valid = err == nil
	return w.known, err
}

// Close ends the watch.
func (w *RangeWatch) Close() error {
	if w.events == 0 {
		return nil
	}
	fd := w.events
	*w = RangeWatch{}
	return unix.Close(fd)
}

func (w *RangeWatch) listen() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV6_ROUTE
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	w.events = fd
	return nil
}

// changed takes all events that there are, and reports whether there were any.
func (w *RangeWatch) changed() (changed bool, err error) {
	buffer := make([]byte, 4096) // messages are cut off, and nothing in them is read
	for {
		_, _, err := unix.Recvfrom(w.events, buffer, 0)
		switch {
		case err == nil, errors.Is(err, unix.ENOBUFS): // more than the socket could hold
			changed = true
		case errors.Is(err, unix.EAGAIN):
			return changed, nil
		case !errors.Is(err, unix.EINTR):
			return changed, err
		}
	}
}

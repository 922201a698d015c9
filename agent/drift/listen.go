package drift

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Listener listens for changes to davit's files and kernel objects. It does not know their cause: davit's own starts and stops
// remove things too.
type Listener struct {
	route, rules *socket
	watches      *watches
	mounts       int // a descriptor that Go's own poller does not know: the first poll of it reports the change
	end          int // an eventfd(2) that ends Run
	changed      func(Change)
}

// Change is the kind of a change.
type Change int

// The changes.
const (
	// State is read by every pass: unit files, links, volumes, bundles, records.
	State Change = iota
	// Running is the kernel objects and files of running containers: [Check] finds changes of them.
	Running
)

// NewListener listens from now on; [Listener.Run] calls changed, which must not wait. unitDirs are the directories in
// which systemd finds units.
func NewListener(unitDirs []string, changed func(Change)) (*Listener, error) {
	l := &Listener{changed: changed, mounts: -1, end: -1}
	var err error
	if l.watches, err = newWatches(unitDirs); err == nil {
		l.route, err = listenRoute(l.watches.watchBridge)
	}
	if err == nil {
		l.rules, err = listenRules()
	}
	if err == nil {
		l.mounts, err = unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	if err == nil {
		l.end, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen to changes: %w", err), l.close())
	}
	for _, name := range bridges() {
		l.watches.watchBridge(name)
	}
	return l, nil
}

// Arm watches the directories that have come since it was last called. After Run it returns an error.
func (l *Listener) Arm() error { return l.watches.arm() }

// Run listens until the context ends.
func (l *Listener) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, l.stop)()
	// One thread waits for all of them: that of mounts is an exceptional condition (proc_pid_mountinfo(5)).
	polled := []unix.PollFd{
		{Fd: int32(l.end), Events: unix.POLLIN},
		{Fd: int32(l.route.fd), Events: unix.POLLIN},
		{Fd: int32(l.rules.fd), Events: unix.POLLIN},
		{Fd: int32(l.watches.fd), Events: unix.POLLIN},
		{Fd: int32(l.mounts), Events: unix.POLLPRI},
	}
	for {
		_, err := unix.Poll(polled, -1)
		if ctx.Err() != nil {
			return l.close()
		}
		if err == nil {
			err = l.hear(polled)
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return errors.Join(fmt.Errorf("listen to changes: %w", err), l.close())
		}
	}
}

// hear reads the events.
func (l *Listener) hear(polled []unix.PollFd) error {
	var failures []error
	for _, s := range []struct {
		*socket
		ready int16
	}{{l.route, polled[1].Revents}, {l.rules, polled[2].Revents}} {
		if s.ready == 0 {
			continue
		}
		lost, err := s.socket.hear()
		failures = append(failures, err)
		l.tell(lost, Running)
	}
	if polled[3].Revents != 0 {
		state, running, err := l.watches.hear()
		failures = append(failures, err)
		l.tell(state, State)
		l.tell(running, Running)
	}
	l.tell(polled[4].Revents != 0, Running) // to have polled it is to have heard it
	return errors.Join(failures...)
}

func (l *Listener) tell(has bool, change Change) {
	if has {
		l.changed(change)
	}
}

// stop ends Run.
func (l *Listener) stop() {
	l.watches.mu.Lock()
	defer l.watches.mu.Unlock()
	if l.end >= 0 {
		_, _ = unix.Write(l.end, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // eventfd(2): only a full counter refuses it
	}
}

// close closes the descriptors. Others in this process may have their numbers from then on, so they are used under the
// watches' mutex, or by Run.
func (l *Listener) close() error {
	own := []*int{&l.mounts, &l.end}
	for _, s := range []*socket{l.route, l.rules} {
		if s != nil {
			own = append(own, &s.fd)
		}
	}
	if l.watches != nil {
		l.watches.mu.Lock()
		defer l.watches.mu.Unlock()
		own = append(own, &l.watches.fd)
	}
	var failures []error
	for _, fd := range own {
		if *fd >= 0 {
			failures = append(failures, unix.Close(*fd))
		}
		*fd = -1
	}
	return errors.Join(failures...)
}

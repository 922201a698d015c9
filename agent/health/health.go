// Package health watches containers while they run: whether they are alive, whether they can
// serve, and whether they have more on the disk than they may. It makes the checks of their bundles as long as systemd says
// that their units are up, has systemd act when one is dead or has too much, and keeps a record of the containers that are ready.
//
// It knows systemd's units and the launcher's bundles. It must never know manifests, or start
// anything itself: with no agent there, containers start, stop and restart without it.
package health

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/usage"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// Systemd is the part of systemd that the monitor needs.
type Systemd interface {
	State(ctx context.Context, name string) (units.State, error)
	QueueRestart(ctx context.Context, name string) error
	QueueStop(ctx context.Context, name string) error
	KillUnit(ctx context.Context, name string) error
	RunCommand(ctx context.Context, name, description string, command []string, within time.Duration) (string, error)
	// Watch returns the names of units as they change, until the channel is closed.
	Watch(ctx context.Context) (<-chan string, error)
}

// Monitor probes the containers that run on a node.
type Monitor struct {
	systemd  Systemd
	note     func(id string, failure bundle.Failure) error
	free     func(path string) (usage.Free, error)
	measure  func(ctx context.Context, most int64, paths ...string) (int64, error)
	quota    func(path string, limit int64) (usage.Quota, error)
	launcher string
	log      *slog.Logger
	again    chan struct{}
	changed  func(unit string)
	made     time.Time
	// watched are the containers that are probed, by id.
	watched map[string]*watched
	// unprobed are the files of bundles that have no probe: most have none, and to read one takes long.
	unprobed map[string]fs.FileInfo
	group    sync.WaitGroup
	// measuring is held while the files of a container are looked at.
	measuring sync.Mutex
}

// New makes a monitor that has the launcher run commands in containers.
func New(systemd Systemd, launcher string, log *slog.Logger) *Monitor {
	return &Monitor{
		systemd: systemd, note: noteFailure, free: usage.FreeAt, measure: usage.Disk, quota: usage.QuotaAt, launcher: launcher, log: log,
		again: make(chan struct{}, 1), changed: func(string) {}, made: time.Now(),
		watched: map[string]*watched{}, unprobed: map[string]fs.FileInfo{},
	}
}

// OnChange has a function called with each unit that changes, in its state or its readiness, and with ""
// when changes may have been missed. It is for before Run; the function must not wait, and may be called
// from several goroutines.
func (m *Monitor) OnChange(changed func(unit string)) { m.changed = changed }

// LookAgain has the monitor look at all containers: signals of systemd's may get lost.
func (m *Monitor) LookAgain() {
	select {
	case m.again <- struct{}{}:
	default:
	}
}

// checkPrefix begins the names of the services that run the monitor's commands.
const checkPrefix = "davit-check-"

// rewatch is how long the monitor waits for a systemd that is gone, as while it re-executes itself.
const rewatch = time.Second

// Run probes until the context ends. Two monitors on a node take turns.
func (m *Monitor) Run(ctx context.Context) error {
	unlock, err := lockWhenFree(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	defer m.group.Wait()
	defer m.stopAll()
	for told := false; ctx.Err() == nil; {
		changes, err := m.systemd.Watch(ctx)
		if err == nil {
			told = false
			m.follow(ctx, changes)
		} else if !told && ctx.Err() == nil {
			m.log.Warn("containers are not probed until systemd can be heard", "error", err)
			told = true
		}
		sleep(ctx, rewatch)
	}
	return nil
}

// lockWhenFree takes the lock that shows that a monitor runs.
func lockWhenFree(ctx context.Context) (unlock func(), err error) {
	for {
		unlock, err := disk.Lock(bundle.HealthLock, unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return unlock, err
		}
		if !sleep(ctx, rewatch) {
			return nil, ctx.Err()
		}
	}
}

// Watched reports whether a monitor runs on this node.
func Watched() bool {
	unlock, err := disk.Lock(bundle.HealthLock, unix.LOCK_SH|unix.LOCK_NB)
	if err == nil {
		unlock()
	}
	return errors.Is(err, unix.EWOULDBLOCK)
}

// follow looks at containers as they change, until no more changes are sent.
func (m *Monitor) follow(ctx context.Context, changes <-chan string) {
	m.changed("")
	m.lookAtAll(ctx)
	for {
		select {
		case name, ok := <-changes:
			if !ok {
				return
			}
			if strings.HasPrefix(name, checkPrefix) {
				continue // one of the monitor's own, which systemd forgets at once
			}
			m.changed(name)
			switch id, service := names.CutService(name); {
			case name == "":
				m.lookAtAll(ctx)
			case service:
				m.lookAt(ctx, id)
			}
		case <-m.again:
			m.lookAtAll(ctx)
		}
	}
}

func (m *Monitor) lookAtAll(ctx context.Context) {
	entries, err := os.ReadDir(bundle.AttachmentsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.log.Warn("containers are not probed", "error", err)
	}
	for _, entry := range entries {
		m.lookAt(ctx, entry.Name())
	}
	for id := range m.watched {
		m.lookAt(ctx, id)
	}
}

// lookAt starts, continues or ends the probing of a container, depending on its unit's state.
func (m *Monitor) lookAt(ctx context.Context, id string) {
	state, b, err := m.read(ctx, id)
	if err != nil && ctx.Err() == nil {
		m.log.Warn("not probed", "unit", names.Service(id), "error", err)
	}
	current := m.watched[id]
	switch {
	case b == nil || !isWatched(b, state):
		m.stop(id)
	case current != nil && current.isOf(state):
	default:
		m.stop(id)
		m.start(ctx, b, state)
	}
}

// read returns the bundle of a running container that is to be probed, or nil, and its unit's
// state.
func (m *Monitor) read(ctx context.Context, id string) (units.State, *bundle.Bundle, error) {
	path := filepath.Join(bundle.AttachmentsDir, id, bundle.ConfigFile)
	file, err := os.Stat(path)
	if known := m.unprobed[id]; err == nil && known != nil && disk.Unchanged(known, file) {
		return units.State{}, nil, nil
	}
	delete(m.unprobed, id)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return units.State{}, nil, nil
	}
	if err != nil {
		return units.State{}, nil, err
	}
	b, err := bundle.Decode(text)
	if err != nil {
		return units.State{}, nil, err
	}
	if !isProbed(b.Health) && len(b.DiskLimits) == 0 {
		m.unprobed[id] = file
		return units.State{}, nil, nil
	}
	state, err := m.systemd.State(ctx, names.Service(id))
	return state, b, err
}

// isWatched reports whether there is anything to watch. The limits of the disk hold as long as the container runs, also while
// its unit starts, reloads and stops, which may take as long as the container likes.
func isWatched(b *bundle.Bundle, state units.State) bool {
	return isUp(state) || state.MainPID != 0 && len(b.DiskLimits) > 0
}

// isUp reports whether a container runs and has started up, as far as systemd knows. One that runs
// to its end is starting all the time.
func isUp(state units.State) bool {
	switch {
	case state.MainPID == 0:
		return false
	case state.ActiveState.Up():
		return true
	default:
		return runsToItsEnd(state) && state.ActiveState == names.Activating && state.SubState == names.Start
	}
}

// isEnding reports whether a unit has been asked to stop.
func isEnding(state units.State) bool { return state.ActiveState == names.Deactivating }

func runsToItsEnd(state units.State) bool { return state.Type == "oneshot" }

func (m *Monitor) start(ctx context.Context, b *bundle.Bundle, state units.State) {
	w := &watched{
		monitor: m, Bundle: b, pid: int(state.MainPID), invocation: state.Invocation,
		began: time.UnixMicro(int64(state.Started)), since: time.UnixMicro(int64(max(state.Entered, state.Started))),
		startsUp: runsToItsEnd(state), up: isUp(state), ending: isEnding(state),
	}
	w.later = func(f func(context.Context)) { m.group.Go(func() { f(ctx) }) }
	running, cancel := context.WithCancel(ctx)
	w.cancel = cancel
	m.watched[b.ID] = w
	m.group.Go(func() {
		if err := w.run(running); err != nil && running.Err() == nil {
			m.log.Warn("not probed", "object", b.Object, "unit", w.unit(), "error", err)
		}
	})
}

// stop ends the probing of a container that does not run any more.
func (m *Monitor) stop(id string) {
	w, ok := m.watched[id]
	if !ok {
		return
	}
	w.cancel()
	delete(m.watched, id)
}

// stopAll ends all probing and keeps the records: the next monitor continues from them.
func (m *Monitor) stopAll() {
	for _, w := range m.watched {
		w.cancel()
	}
}

// command has systemd run the check of a probe, see [systemd.Manager.RunCommand].
func (m *Monitor) command(ctx context.Context, id, probe string, timeout time.Duration) error {
	name := names.Service(fmt.Sprintf(checkPrefix+"%s-%s", bundle.RuntimeID(id), probe))
	said, err := m.systemd.RunCommand(ctx, name, "Check of "+id, []string{m.launcher, "check", id, probe}, timeout+commandGrace)
	if err == nil && said != "" {
		err = errors.New(said)
	}
	return err
}

// commandGrace is the time that a launcher needs beside the check itself.
const commandGrace = 10 * time.Second

// interval is the time between beats.
const interval = 100 * time.Millisecond

// beat is the next time at which checks are made. Those that fall together share the cost of waking
// the process and of looking for work, which is several times the cost of a check: 200 checks a
// second took 16 % of a core one by one, and 5 % on the beat.
func (m *Monitor) beat(at time.Time) time.Time {
	return m.made.Add((at.Sub(m.made) + interval - 1).Truncate(interval))
}

// sleep reports whether the time went by before the context ended.
func sleep(ctx context.Context, duration time.Duration) bool {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

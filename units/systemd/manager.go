// Package systemd talks to systemd over its private socket, and keeps the unit files that it reads. The texts of these
// files come from package units.
package systemd

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// Manager is the node's service manager. Its methods may be called from several
// goroutines.
type Manager struct {
	mu   sync.Mutex
	conn *connection
}

// Connect connects to systemd over its private socket, which needs root and works
// without a message bus.
func Connect(ctx context.Context) (*Manager, error) {
	s := &Manager{}
	if _, err := s.connection(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// connection returns a live connection: systemd drops all of them when it re-executes
// itself.
func (s *Manager) connection(ctx context.Context) (*connection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil && s.conn.Connected() {
		return s.conn, nil
	}
	// The connection outlives this call, so it must not end with the call's context.
	conn, err := connect(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	s.conn = conn
	return conn, nil
}

// Close ends the connection.
func (s *Manager) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Close()
	}
}

// versionNumber begins the version that systemd tells: "252.39-1~deb12u1", "257~rc1".
var versionNumber = regexp.MustCompile(`^"?v?(\d+)`)

// Version is systemd's, 252 or newer.
func (s *Manager) Version(ctx context.Context) (int, error) {
	conn, err := s.connection(ctx)
	if err != nil {
		return 0, err
	}
	text, err := conn.GetManagerProperty("Version")
	if err != nil {
		return 0, fmt.Errorf("ask for systemd's version: %w", err)
	}
	match := versionNumber.FindStringSubmatch(text)
	if match == nil {
		return 0, fmt.Errorf("systemd calls its version %s: want a number", text)
	}
	return strconv.Atoi(match[1])
}

// Stopping reports whether the node shuts down: a job that conflicts with the shutdown is then accepted only to be
// cancelled.
func (s *Manager) Stopping(ctx context.Context) (bool, error) {
	conn, err := s.connection(ctx)
	if err != nil {
		return false, err
	}
	state, err := conn.GetManagerProperty("SystemState")
	if err != nil {
		return false, fmt.Errorf("ask for systemd's state: %w", err)
	}
	return state == `"stopping"`, nil
}

// EnsureUnit leaves the unit with this text, durably. Where its file changes, systemd reads that at the next Reload.
func (s *Manager) EnsureUnit(_ context.Context, name, text string) error {
	return ensureUnit(name, text)
}

// RemoveUnit disables the unit and removes its file; systemd forgets it at the next Reload. The links go without systemd,
// which would read the files of all units to find them.
func (s *Manager) RemoveUnit(ctx context.Context, name string) error {
	conn, err := s.connection(ctx)
	if err != nil {
		return err
	}
	if err := removeLinks(etcDir, name); err != nil {
		return fmt.Errorf("disable %s: %w", name, err)
	}
	if err := removeUnit(name); err != nil {
		return err
	}
	// A failed unit would stay loaded without its file; one that did not fail is not an
	// error worth telling.
	_ = conn.ResetFailedUnitContext(ctx, name)
	return nil
}

// reloadTimeout bounds a reload: on slow hardware with many units one takes more than ten seconds.
const reloadTimeout = 2 * time.Minute

// Reload enables the named units as their [Install] sections say and makes systemd read
// all units again, once. It returns the units that systemd refuses to enable, and why.
func (s *Manager) Reload(ctx context.Context, enable []string) (refused map[string]error, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, reloadTimeout, fmt.Errorf("not done after %s", reloadTimeout))
	defer cancel()
	conn, err := s.connection(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.listing.clear()
	if len(enable) > 0 && enableUnits(ctx, conn, enable) != nil {
		refused = enableEach(ctx, conn, enable)
	}
	if err := conn.ReloadContext(ctx); err != nil {
		return refused, fmt.Errorf("reload systemd's units: %w", because(ctx, err))
	}
	return refused, clearPending()
}

// because replaces the error of a call that its context ended by why that did.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// enableUnits enables units durably: a unit that a power loss left disabled could not be distinguished from one that an
// operator has disabled.
func enableUnits(ctx context.Context, conn *connection, names []string) error {
	_, changes, err := conn.EnableUnitFilesContext(ctx, names, false, false)
	for _, change := range changes {
		err = errors.Join(err, syncLink(change.Filename))
	}
	return err
}

// enableEach is the slow way after the call for all units failed: systemd does not say
// which one was to blame, and the others must not suffer.
func enableEach(ctx context.Context, conn *connection, names []string) map[string]error {
	refused := map[string]error{}
	for _, name := range names {
		if err := enableUnits(ctx, conn, []string{name}); err != nil {
			refused[name] = fmt.Errorf("enable %s: %w", name, err)
		}
	}
	return refused
}

// ControlGroup is a service's control group below the root of the tree; empty while it has none.
func (s *Manager) ControlGroup(ctx context.Context, name string) (string, error) {
	conn, err := s.connection(ctx)
	if err != nil {
		return "", err
	}
	property, err := conn.GetServicePropertyContext(ctx, name, "ControlGroup")
	if err != nil {
		return "", fmt.Errorf("ask systemd for the control group of %s: %w", name, because(ctx, err))
	}
	group, _ := property.Value.Value().(string)
	return group, nil
}

// ApplyLimits makes systemd put the limits that it has read on the control group of a unit that
// runs; one that has ended has none. A reload leaves that to the next start of another unit in the
// same slice. Setting a property has it done at once, and Markers, to which nothing is added here,
// leaves no drop-in behind (bus_unit_set_properties in systemd's src/core/dbus-unit.c).
func (s *Manager) ApplyLimits(ctx context.Context, name string) error {
	conn, err := s.connection(ctx)
	if err != nil {
		return err
	}
	nothing := dbus.Property{Name: "Markers", Value: godbus.MakeVariant([]string{})}
	err = conn.SetUnitPropertiesContext(ctx, name, true, nothing)
	if err != nil && !isGone(err) {
		return fmt.Errorf("apply the limits of %s: %w", name, err)
	}
	return nil
}

// isGone says whether systemd answered that it has no unit of that name: it may have ended, and been
// forgotten, since one looked.
func isGone(err error) bool {
	var answer godbus.Error
	return errors.As(err, &answer) && answer.Name == "org.freedesktop.systemd1.NoSuchUnit"
}

// KillUnit sends SIGKILL to all processes of the unit.
func (s *Manager) KillUnit(ctx context.Context, name string) error {
	conn, err := s.connection(ctx)
	if err != nil {
		return err
	}
	if err := conn.KillUnitWithTarget(ctx, name, dbus.All, int32(syscall.SIGKILL)); err != nil {
		return fmt.Errorf("kill %s: %w", name, err)
	}
	return nil
}

// ForgetRestarts makes systemd count the unit's restarts from 0 again. Its processes notice
// nothing.
func (s *Manager) ForgetRestarts(ctx context.Context, name string) error {
	conn, err := s.connection(ctx)
	if err != nil {
		return err
	}
	if err := conn.ResetFailedUnitContext(ctx, name); err != nil && !isGone(err) {
		return fmt.Errorf("reset the restarts of %s: %w", name, err)
	}
	return nil
}

package systemd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"

	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/names"
)

// StartUnit starts the unit and waits until systemd's job has ended.
func (s *Manager) StartUnit(ctx context.Context, name string) error {
	return s.job(ctx, "start", name, (*dbus.Conn).StartUnitContext)
}

// RestartUnit stops the unit, where it runs, and starts it.
func (s *Manager) RestartUnit(ctx context.Context, name string) error {
	return s.job(ctx, "restart", name, (*dbus.Conn).RestartUnitContext)
}

// ReloadUnit has the unit reload, or restarts it where it can no more.
func (s *Manager) ReloadUnit(ctx context.Context, name string) error {
	return s.job(ctx, "reload", name, (*dbus.Conn).ReloadOrRestartUnitContext)
}

// StopUnit stops the unit and waits until it has ended.
func (s *Manager) StopUnit(ctx context.Context, name string) error {
	if err := s.job(ctx, "stop", name, (*dbus.Conn).StopUnitContext); !isGone(err) {
		return err
	}
	return nil
}

// QueueStart queues the unit's start and does not wait for it.
func (s *Manager) QueueStart(ctx context.Context, name string) error {
	_, err := s.queue(ctx, "start", name, nil, (*dbus.Conn).StartUnitContext)
	return err
}

// QueueRestart queues the unit's restart and does not wait for it.
func (s *Manager) QueueRestart(ctx context.Context, name string) error {
	_, err := s.queue(ctx, "restart", name, nil, (*dbus.Conn).RestartUnitContext)
	return err
}

// QueueReload queues the unit's reload and does not wait for it.
func (s *Manager) QueueReload(ctx context.Context, name string) error {
	_, err := s.queue(ctx, "reload", name, nil, (*dbus.Conn).ReloadOrRestartUnitContext)
	return err
}

// QueueStop queues the unit's stop and does not wait for it. A unit that is gone has stopped.
func (s *Manager) QueueStop(ctx context.Context, name string) error {
	if _, err := s.queue(ctx, "stop", name, nil, (*dbus.Conn).StopUnitContext); !isGone(err) {
		return err
	}
	return nil
}

type startJob func(conn *dbus.Conn, ctx context.Context, name, mode string, done chan<- string) (int, error)

// queue queues a job and returns the connection on which systemd will tell of its end.
func (s *Manager) queue(ctx context.Context, verb, name string, done chan<- string, start startJob) (*connection, error) {
	conn, err := s.connection(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := start(conn.Conn, ctx, name, "replace", done); err != nil {
		if !isRefusal(err) {
			err = fmt.Errorf("%w: %w", units.ErrUnseen, err)
		}
		return nil, fmt.Errorf("%s %s: %w", verb, name, err)
	}
	conn.listing.changed(name) // the signal of the new job may come after the answer if systemd has many to send
	return conn, nil
}

// isRefusal says whether systemd will not have the unit as it is. Everything else is about the
// moment: other jobs, a shutdown, a connection that broke.
func isRefusal(err error) bool {
	var answer godbus.Error
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.Name {
	case "org.freedesktop.systemd1.TransactionIsDestructive", "org.freedesktop.systemd1.ShuttingDown",
		"org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.Disconnected", "org.freedesktop.DBus.Error.Timeout":
		return false
	}
	return true
}

// outcomeCheck is how often one looks how a job has come along that systemd tells no more of.
const outcomeCheck = time.Second

// job queues a job and waits for its end; the words are those of systemd's JobRemoved
// signal (org.freedesktop.systemd1(5)).
func (s *Manager) job(ctx context.Context, verb, name string, start startJob) error {
	done := make(chan string, 1)
	conn, err := s.queue(ctx, verb, name, done, start)
	if err != nil {
		return err
	}
	select {
	case result := <-done:
		return s.ended(ctx, conn, verb, name, result)
	case <-conn.lost:
		return s.outcome(ctx, verb, name)
	case <-ctx.Done():
		return interrupted(ctx, verb, name)
	}
}

// ended returns the error for the result of a job; nil if it succeeded.
func (s *Manager) ended(ctx context.Context, conn *connection, verb, name, result string) error {
	switch result {
	case "done", "skipped":
		return nil
	case "dependency":
		return fmt.Errorf("%s %s: %w: see davit status", verb, name, units.ErrDependency)
	case "canceled":
		return fmt.Errorf("%s %s: %w: another job of systemd's took its place", verb, name, units.ErrUnseen)
	}
	return fmt.Errorf("%s %s: job ended as %q%s: see journalctl -u %s", verb, name, result, s.cause(ctx, conn, name), name)
}

func interrupted(ctx context.Context, verb, name string) error {
	return fmt.Errorf("%s %s: %w: systemd goes on with it", verb, name, context.Cause(ctx))
}

// outcome reads the result of a job from the unit, if its signal was lost with the connection: systemd closes all
// connections when it re-executes itself, and continues its jobs.
func (s *Manager) outcome(ctx context.Context, verb, name string) error {
	pause := time.NewTicker(outcomeCheck)
	defer pause.Stop()
	for {
		state, err := s.State(ctx, name)
		if err == nil && !state.HasJob {
			return after(verb, name, state)
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return interrupted(ctx, verb, name)
		}
	}
}

// after says whether the unit is as it is to be after a job.
func after(verb, name string, s units.State) error {
	ended := s.ActiveState == names.Inactive && s.Result == "success" // as a oneshot does
	if verb == "stop" && s.ActiveState != names.Active || s.ActiveState == names.Active || verb != "stop" && ended {
		return nil
	}
	return fmt.Errorf("%s %s: the unit is %s (%s): see journalctl -u %s", verb, name, s.ActiveState, s.Result, name)
}

// cause says how the unit's process ended, as far as systemd knows.
func (s *Manager) cause(ctx context.Context, conn *connection, name string) string {
	properties, err := conn.GetAllPropertiesContext(ctx, name)
	if err != nil {
		return ""
	}
	result, _ := properties["Result"].(string)
	status, _ := properties["ExecMainStatus"].(int32)
	return fmt.Sprintf(" (%s, exit status %d)", result, status)
}

package units

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unique"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// Systemd is the node's service manager. Its methods may be called from several
// goroutines.
type Systemd struct {
	mu   sync.Mutex
	conn *connection
}

// Connect connects to systemd over its private socket, which needs root and works
// without a message bus.
func Connect(ctx context.Context) (*Systemd, error) {
	s := &Systemd{}
	if _, err := s.connection(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// connection returns a live connection: systemd drops all of them when it re-executes
// itself.
func (s *Systemd) connection(ctx context.Context) (*connection, error) {
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
func (s *Systemd) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Close()
	}
}

// versionNumber begins the version that systemd tells: "252.39-1~deb12u1", "257~rc1".
var versionNumber = regexp.MustCompile(`^"?v?(\d+)`)

// Version is systemd's, 252 or newer.
func (s *Systemd) Version(ctx context.Context) (int, error) {
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

// Stopping reports whether the node shuts down: systemd takes jobs that are in its way only to undo
// what they are for.
func (s *Systemd) Stopping(ctx context.Context) (bool, error) {
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
func (s *Systemd) EnsureUnit(_ context.Context, name, text string) error {
	return ensureUnit(name, text)
}

// RemoveUnit disables the unit and removes its file; systemd forgets it at the next Reload. The links go without systemd,
// which would read the files of all units to find them.
func (s *Systemd) RemoveUnit(ctx context.Context, name string) error {
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
func (s *Systemd) Reload(ctx context.Context, enable []string) (refused map[string]error, err error) {
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

// enableUnits enables units durably: one that a power loss left disabled looks as if somebody had
// disabled it.
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
func (s *Systemd) ControlGroup(ctx context.Context, name string) (string, error) {
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
func (s *Systemd) ApplyLimits(ctx context.Context, name string) error {
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
func (s *Systemd) KillUnit(ctx context.Context, name string) error {
	conn, err := s.connection(ctx)
	if err != nil {
		return err
	}
	if err := conn.KillUnitWithTarget(ctx, name, dbus.All, int32(syscall.SIGKILL)); err != nil {
		return fmt.Errorf("kill %s: %w", name, err)
	}
	return nil
}

// State is what systemd knows of a unit. The words are systemd's.
type State struct {
	// LoadState is "loaded", "not-found", "masked", …
	LoadState string
	// FragmentPath is the unit file systemd took; empty when there is none.
	FragmentPath string
	// UnitFileState is "enabled", "disabled", "masked", …
	UnitFileState string
	// NeedDaemonReload is set when the file changed since systemd read it.
	NeedDaemonReload bool
	// ActiveState, SubState and Result tell what it does and how it last ended.
	ActiveState, SubState, Result string
	// ControlGroup is the unit's control group below the root of the tree; empty while it has none.
	ControlGroup string
	// HasJob is set while systemd has something to do about it. Job is the job's type, "start", "stop",
	// "restart", …; only [Systemd.States] tells it.
	HasJob bool
	Job    string
	// MainPID is the container's first process; 0 when none runs. ExitStatus is what the last one ended
	// with.
	MainPID    uint32
	ExitStatus int32
	// Restarts counts how often systemd has restarted it by itself, since it was last started
	// otherwise or [Systemd.ForgetRestarts] was called.
	Restarts uint32
	// Since is when ActiveState last changed, in microseconds since 1970; 0 for never.
	Since uint64
	// Started is when the unit last left the inactive state, in the same unit; Entered and Left are
	// when it last became active, and last was no longer.
	Started, Entered, Left uint64
	// RestartDelay is how long systemd waits before its next restart, StartTimeout and StopTimeout how
	// long a start and each part of a stop may take; 0 where nothing bounds it.
	RestartDelay, StartTimeout, StopTimeout time.Duration
	// StatusText is what the unit says of itself.
	StatusText string
	// Type is that of a service: "notify", "oneshot", …
	Type string
	// Invocation tells one start of the unit from all others, in hexadecimal digits.
	Invocation string
}

// State asks systemd for one unit, in one round trip. A unit that nobody has is not an
// error: its LoadState is "not-found".
func (s *Systemd) State(ctx context.Context, name string) (State, error) {
	conn, err := s.connection(ctx)
	if err != nil {
		return State{}, err
	}
	p, err := conn.GetAllPropertiesContext(ctx, name)
	if err != nil {
		return State{}, fmt.Errorf("ask systemd for %s: %w", name, because(ctx, err))
	}
	var state State
	for property, field := range map[string]*string{
		"LoadState": &state.LoadState, "FragmentPath": &state.FragmentPath, "UnitFileState": &state.UnitFileState,
		"ActiveState": &state.ActiveState, "SubState": &state.SubState, "Result": &state.Result,
		"ControlGroup": &state.ControlGroup,
		"Type":         &state.Type, "StatusText": &state.StatusText,
	} {
		value, _ := p[property].(string)
		*field = alone(value)
	}
	state.NeedDaemonReload, _ = p["NeedDaemonReload"].(bool)
	state.HasJob = hasJob(p["Job"])
	state.MainPID, _ = p["MainPID"].(uint32)
	state.ExitStatus, _ = p["ExecMainStatus"].(int32)
	state.Restarts, _ = p["NRestarts"].(uint32)
	state.Since, _ = p["StateChangeTimestamp"].(uint64)
	state.Started, _ = p["InactiveExitTimestamp"].(uint64)
	state.Entered, _ = p["ActiveEnterTimestamp"].(uint64)
	state.Left, _ = p["ActiveExitTimestamp"].(uint64)
	state.RestartDelay = durationOf(p["RestartUSec"])
	if next := durationOf(p["RestartUSecNext"]); next > 0 { // since 254: it grows
		state.RestartDelay = next
	}
	state.StartTimeout, state.StopTimeout = durationOf(p["TimeoutStartUSec"]), durationOf(p["TimeoutStopUSec"])
	invocation, _ := p["InvocationID"].([]byte)
	state.Invocation = hex.EncodeToString(invocation)
	return state, nil
}

// property is one of a unit's properties, and where its value goes.
type property struct {
	name string
	into any
}

// Running asks systemd for what is reported of a unit that is up: of its state the LoadState, ActiveState,
// SubState and Result, Since, Started, Entered, Left and Invocation, of a service also Restarts, MainPID and StatusText,
// and nothing else. To put together all that it knows of a unit, for [Systemd.State], takes it longer than to answer as
// many questions.
func (s *Systemd) Running(ctx context.Context, name string) (State, error) {
	conn, err := s.connection(ctx)
	if err != nil {
		return State{}, err
	}
	state := State{LoadState: "loaded", Result: "success"}
	var invocation []byte
	err = read(ctx, conn.GetUnitPropertyContext, name, []property{
		{"InvocationID", &invocation}, {"StateChangeTimestamp", &state.Since}, {"InactiveExitTimestamp", &state.Started},
		{"ActiveEnterTimestamp", &state.Entered}, {"ActiveExitTimestamp", &state.Left},
	})
	if err == nil && strings.HasSuffix(name, ".service") {
		err = read(ctx, conn.GetServicePropertyContext, name, []property{
			{"MainPID", &state.MainPID}, {"NRestarts", &state.Restarts}, {"StatusText", &state.StatusText},
		})
	}
	if err == nil { // last, so that they are of after the rest
		err = read(ctx, conn.GetUnitPropertyContext, name, []property{{"SubState", &state.SubState}, {"ActiveState", &state.ActiveState}})
	}
	if err != nil {
		return State{}, err
	}
	state.SubState, state.ActiveState, state.StatusText = alone(state.SubState), alone(state.ActiveState), alone(state.StatusText)
	state.Invocation = hex.EncodeToString(invocation)
	return state, nil
}

// read asks systemd for properties of a unit, one by one.
func read(
	ctx context.Context, get func(ctx context.Context, unit, property string) (*dbus.Property, error), unit string, properties []property,
) error {
	for _, asked := range properties {
		answer, err := get(ctx, unit, asked.name)
		if err == nil {
			err = answer.Value.Store(asked.into)
		}
		if err != nil {
			return fmt.Errorf("ask systemd for %s= of %s: %w", asked.name, unit, because(ctx, err))
		}
	}
	return nil
}

// HasStarted reports whether a unit was ever started since the node booted.
func (s *Systemd) HasStarted(ctx context.Context, name string) (bool, error) {
	conn, err := s.connection(ctx)
	if err != nil {
		return false, err
	}
	var started uint64
	err = read(ctx, conn.GetUnitPropertyContext, name, []property{{"InactiveExitTimestamp", &started}})
	return started != 0, err
}

// ReloadFailed reports whether the last reload of a service failed since it was started.
func (s *Systemd) ReloadFailed(ctx context.Context, name string) (bool, error) {
	conn, err := s.connection(ctx)
	if err != nil {
		return false, err
	}
	property, err := conn.GetServicePropertyContext(ctx, name, "ReloadResult")
	if err != nil {
		return false, fmt.Errorf("ask systemd how %s was reloaded: %w", name, because(ctx, err))
	}
	result, _ := property.Value.Value().(string)
	return result != "success", nil
}

// alone is a string that came over D-Bus without the 4 KiB of strings that the library cuts it out of, which
// stay in memory as long as one of them does.
func alone(text string) string { return strings.Clone(text) }

// States asks systemd for many units. Each state has LoadState, ActiveState, SubState, HasJob and Job, and nothing else.
// systemd lists only the units that have changed since the last call.
func (s *Systemd) States(ctx context.Context, names []string) (map[string]State, error) {
	conn, err := s.connection(ctx)
	if err != nil {
		return nil, err
	}
	states := make(map[string]State, len(names))
	// systemd is asked even if all units are known: the signals of earlier changes come before its answer.
	for missing := conn.listing.unknown(names, time.Now()); ; {
		asked := conn.listing.now()
		listed, err := conn.list(ctx, missing)
		if err != nil {
			return nil, err
		}
		conn.listing.add(missing, listed, asked)
		for i, name := range missing {
			states[name] = listed[i].state()
		}
		if missing = conn.listing.fill(states, names); len(missing) == 0 {
			return states, nil
		}
	}
}

// list asks systemd for units in one round trip. The answer is in the order of the names.
func (c *connection) list(ctx context.Context, names []string) ([]listedState, error) {
	// The library decodes the answer twice, which takes a tenth of a pass over a thousand objects.
	var answer []dbus.UnitStatus
	err := c.manager.CallWithContext(ctx, "org.freedesktop.systemd1.Manager.ListUnitsByNames", 0, names).Store(&answer)
	if err != nil {
		return nil, fmt.Errorf("ask systemd for %d units: %w", len(names), because(ctx, err))
	}
	if len(answer) != len(names) {
		return nil, fmt.Errorf("ask systemd for %d units: it listed %d", len(names), len(answer))
	}
	listed := make([]listedState, len(answer))
	for i, unit := range answer {
		listed[i] = listedState{
			load: shared(unit.LoadState), active: shared(unit.ActiveState), sub: shared(unit.SubState), isAlias: unit.Name != names[i],
		}
		if unit.JobId != 0 {
			listed[i].job = shared(unit.JobType)
		}
	}
	return listed, nil
}

// shared is one of few words, which is in memory once.
func shared(word string) string { return unique.Make(word).Value() }

// LastReload tells one reading of the unit files by systemd from all others.
func (s *Systemd) LastReload(ctx context.Context) (string, error) {
	conn, err := s.connection(ctx)
	if err != nil {
		return "", err
	}
	at, err := conn.GetManagerProperty("UnitsLoadTimestampMonotonic")
	if err != nil {
		return "", fmt.Errorf("ask systemd when it read its units: %w", err)
	}
	return at, nil
}

// hasJob reads the property of a unit that has the number of its job and its object; 0 is none.
func hasJob(property any) bool {
	job, _ := property.([]any)
	if len(job) == 0 {
		return false
	}
	number, _ := job[0].(uint32)
	return number != 0
}

// durationOf is a property in microseconds; infinity, and what is none, is 0.
func durationOf(property any) time.Duration {
	micros, _ := property.(uint64)
	if micros > math.MaxInt64/1000 {
		return 0
	}
	return time.Duration(micros) * time.Microsecond
}

// ForgetRestarts makes systemd count the unit's restarts from 0 again. Its processes notice
// nothing.
func (s *Systemd) ForgetRestarts(ctx context.Context, name string) error {
	conn, err := s.connection(ctx)
	if err != nil {
		return err
	}
	if err := conn.ResetFailedUnitContext(ctx, name); err != nil && !isGone(err) {
		return fmt.Errorf("reset the restarts of %s: %w", name, err)
	}
	return nil
}

package systemd

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"time"
	"unique"

	"github.com/coreos/go-systemd/v22/dbus"

	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/names"
)

// State asks systemd for one unit, in one round trip. A unit that does not exist is not an error: its LoadState is
// "not-found".
func (s *Manager) State(ctx context.Context, name string) (units.State, error) {
	conn, err := s.connection(ctx)
	if err != nil {
		return units.State{}, err
	}
	p, err := conn.GetAllPropertiesContext(ctx, name)
	if err != nil {
		return units.State{}, fmt.Errorf("ask systemd for %s: %w", name, because(ctx, err))
	}
	var state units.State
	var active, sub string
	for property, field := range map[string]*string{
		"LoadState": &state.LoadState, "FragmentPath": &state.FragmentPath, "UnitFileState": &state.UnitFileState,
		"ActiveState": &active, "SubState": &sub, "Result": &state.Result,
		"ControlGroup": &state.ControlGroup,
		"Type":         &state.Type, "StatusText": &state.StatusText,
	} {
		value, _ := p[property].(string)
		*field = alone(value)
	}
	state.ActiveState, state.SubState = names.ActiveState(active), names.SubState(sub)
	state.NeedDaemonReload, _ = p["NeedDaemonReload"].(bool)
	state.HasJob = hasJob(p["Job"])
	state.MainPID, _ = p["MainPID"].(uint32)
	state.ExitStatus, _ = p["ExecMainStatus"].(int32)
	state.Restarts, _ = p["NRestarts"].(uint32)
	state.Since, _ = p["StateChangeTimestamp"].(uint64)
	state.Started, _ = p["InactiveExitTimestamp"].(uint64)
	state.Entered, _ = p["ActiveEnterTimestamp"].(uint64)
	state.Left, _ = p["ActiveExitTimestamp"].(uint64)
	state.Ended, _ = p["InactiveEnterTimestamp"].(uint64)
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

// Running asks systemd for the properties that are reported of an active unit: of its state the LoadState, ActiveState,
// SubState and Result, Since, Started, Entered, Left and Invocation, of a service also Restarts, MainPID and StatusText,
// and nothing else. systemd needs longer to assemble all properties of a unit, for [Manager.State], than to answer as
// many single requests.
func (s *Manager) Running(ctx context.Context, name string) (units.State, error) {
	conn, err := s.connection(ctx)
	if err != nil {
		return units.State{}, err
	}
	state := units.State{LoadState: "loaded", Result: "success"}
	var invocation []byte
	var active, sub string
	err = read(ctx, conn.GetUnitPropertyContext, name, []property{
		{"InvocationID", &invocation}, {"StateChangeTimestamp", &state.Since}, {"InactiveExitTimestamp", &state.Started},
		{"ActiveEnterTimestamp", &state.Entered}, {"ActiveExitTimestamp", &state.Left},
	})
	if err == nil && names.IsService(name) {
		err = read(ctx, conn.GetServicePropertyContext, name, []property{
			{"MainPID", &state.MainPID}, {"NRestarts", &state.Restarts}, {"StatusText", &state.StatusText},
		})
	}
	if err == nil { // last, so that they are of after the rest
		err = read(ctx, conn.GetUnitPropertyContext, name, []property{{"SubState", &sub}, {"ActiveState", &active}})
	}
	if err != nil {
		return units.State{}, err
	}
	state.ActiveState, state.SubState, state.StatusText = names.ActiveState(alone(active)), names.SubState(alone(sub)), alone(state.StatusText)
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
func (s *Manager) HasStarted(ctx context.Context, name string) (bool, error) {
	conn, err := s.connection(ctx)
	if err != nil {
		return false, err
	}
	var started uint64
	err = read(ctx, conn.GetUnitPropertyContext, name, []property{{"InactiveExitTimestamp", &started}})
	return started != 0, err
}

// ReloadFailed reports whether the last reload of a service failed since it was started.
func (s *Manager) ReloadFailed(ctx context.Context, name string) (bool, error) {
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
func (s *Manager) States(ctx context.Context, names []string) (map[string]units.State, error) {
	conn, err := s.connection(ctx)
	if err != nil {
		return nil, err
	}
	states := make(map[string]units.State, len(names))
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
func (s *Manager) LastReload(ctx context.Context) (string, error) {
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

// durationOf returns a property in microseconds as a duration; 0 for infinity and for other types.
func durationOf(property any) time.Duration {
	micros, _ := property.(uint64)
	if micros > math.MaxInt64/1000 {
		return 0
	}
	return time.Duration(micros) * time.Microsecond
}

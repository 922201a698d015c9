package units

import (
	"errors"
	"time"

	"github.com/davit-project/davit/units/names"
)

// State is the state of a unit as systemd reports it, in systemd's words.
type State struct {
	// LoadState is "loaded", "not-found", "masked", …
	LoadState string
	// FragmentPath is the unit file systemd took; empty when there is none.
	FragmentPath string
	// UnitFileState is "enabled", "disabled", "masked", …
	UnitFileState string
	// NeedDaemonReload is set when the file changed since systemd read it.
	NeedDaemonReload bool
	// ActiveState and SubState say whether it runs, Result how it last ended.
	ActiveState names.ActiveState
	SubState    names.SubState
	Result      string
	// ControlGroup is the unit's control group below the root of the tree; empty while it has none.
	ControlGroup string
	// HasJob is set while systemd has something to do about it. Job is the job's type, "start", "stop",
	// "restart", …; only Manager.States of units/systemd tells it.
	HasJob bool
	Job    string
	// MainPID is the container's first process; 0 when none runs. ExitStatus is the exit status of the last one.
	MainPID    uint32
	ExitStatus int32
	// Restarts counts how often systemd has restarted it by itself, since it was last started
	// otherwise or its restarts were reset.
	Restarts uint32
	// Since is the time of the last change of ActiveState, in microseconds since 1970; 0 for never.
	Since uint64
	// Started is when the unit last left the inactive state, in the same unit; Entered and Left are
	// when it last became active, and last was no longer; Ended is when it last became inactive or failed.
	Started, Entered, Left, Ended uint64
	// RestartDelay is how long systemd waits before its next restart, StartTimeout and StopTimeout how
	// long a start and each part of a stop may take; 0 where nothing bounds it.
	RestartDelay, StartTimeout, StopTimeout time.Duration
	// StatusText is the status that the unit has reported (STATUS= of sd_notify(3)).
	StatusText string
	// Type is that of a service: "notify", "oneshot", …
	Type string
	// Invocation tells one start of the unit from all others, in hexadecimal digits.
	Invocation string
}

// Errors of a start that do not show a fault of the unit itself.
var (
	// ErrDependency is returned if systemd did not try to start a unit.
	ErrDependency = errors.New("a unit that it requires did not start")
	// ErrUnseen is returned if the outcome of a job is unknown: the wait for it was interrupted, or the job was
	// cancelled before its end.
	ErrUnseen = errors.New("its end was not seen")
)

package units

import (
	"errors"
	"time"

	"github.com/davit-project/davit/units/names"
)

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
	// MainPID is the container's first process; 0 when none runs. ExitStatus is what the last one ended
	// with.
	MainPID    uint32
	ExitStatus int32
	// Restarts counts how often systemd has restarted it by itself, since it was last started
	// otherwise or its restarts were reset.
	Restarts uint32
	// Since is when ActiveState last changed, in microseconds since 1970; 0 for never.
	Since uint64
	// Started is when the unit last left the inactive state, in the same unit; Entered and Left are
	// when it last became active, and last was no longer; Ended is when it last became inactive or failed.
	Started, Entered, Left, Ended uint64
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

// Why a unit that was to start may be as good as before.
var (
	// ErrDependency is why a unit was not even tried.
	ErrDependency = errors.New("a unit that it requires did not start")
	// ErrUnseen is why nobody knows how a unit does: whoever waited for it was interrupted, or its job
	// was taken back before it came to an end.
	ErrUnseen = errors.New("its end was not seen")
)

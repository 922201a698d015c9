package names

// ActiveState is the ActiveState of a unit (org.freedesktop.systemd1(5)); empty if systemd was not asked.
type ActiveState string

// The states of units.
const (
	Active       ActiveState = "active"
	Reloading    ActiveState = "reloading"
	Inactive     ActiveState = "inactive"
	Failed       ActiveState = "failed"
	Activating   ActiveState = "activating" // also while it waits for a restart, see [AutoRestart]
	Deactivating ActiveState = "deactivating"
)

// Up reports whether the unit runs: its start has succeeded, and its stop has not begun.
func (s ActiveState) Up() bool { return s == Active || s == Reloading }

// Down reports whether the unit does not run, and systemd neither starts nor stops it.
func (s ActiveState) Down() bool { return s == Inactive || s == Failed }

// SubState is the SubState of a unit, whose words depend on the type of the unit.
type SubState string

// States of services.
const (
	Dead  SubState = "dead"
	Start SubState = "start"
	// AutoRestart is the state between a run that ended and the next one.
	AutoRestart SubState = "auto-restart"
)

// Restarting reports whether systemd waits before it starts the service again.
func (s SubState) Restarting() bool { return s == AutoRestart }

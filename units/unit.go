// Package units renders units as text by one encoder, and reads these texts back.
//
// It knows systemd's grammar. It knows neither manifests nor the bus: the content of a unit comes in as values, and
// everything that is written is escaped here, in one place. Package units/systemd talks to systemd.
package units

import "time"

// Head has the settings that units of all types share.
type Head struct {
	// Name is the unit's whole name, "web.service".
	Name string
	// Description is a line for people.
	Description string
	// SourcePath is the manifest's file.
	SourcePath string
	// Stamp is the mark by which davit recognises a unit that it wrote.
	Stamp Stamp
	// Dependencies are its relations to other units.
	Dependencies Dependencies
	// WantedBy are the units that start it; none means that it is started by name.
	WantedBy []string
}

// Timer starts a unit at set times.
type Timer struct {
	Head
	// Unit is the unit that it starts.
	Unit string
	// OnCalendar are calendar events of systemd.time(7).
	OnCalendar []string
	// Persistent makes up for a run that was missed while the node was off.
	Persistent bool
}

// Socket starts a service at the first connection, and passes it the sockets.
type Socket struct {
	Head
	// Service is the service that it starts.
	Service string
	// Streams and Datagrams are the addresses and paths that it listens on (systemd.socket(5)).
	Streams, Datagrams []string
}

// Trigger is a service that starts another unit as a timer itself cannot, for a timer to start.
type Trigger struct {
	Head
	// Restarts is the unit to restart.
	Restarts string
	// Beside are units of which the first one that does not run is started, instead.
	Beside []string
	// Launcher is the absolute path of davit-run.
	Launcher string
	// DueBundle is the path of a bundle that says when the timer comes too late; empty is never.
	DueBundle string
}

// Target groups units.
type Target struct {
	Head
}

// Slice limits the resources that the units in it use together. systemd starts it with the first of its units.
type Slice struct {
	Head
	Resources Resources
}

// Role is the kind of work of a service.
type Role int

// The roles.
const (
	// RoleContainer runs a container's process.
	RoleContainer Role = iota
	// RoleOneshot is starting until its container's process has ended, and active after that.
	RoleOneshot
	// RoleJob is starting until its container's process has ended; it does not start again
	// once it has succeeded.
	RoleJob
	// RoleTask is starting until its container's process has ended, at each of its starts.
	RoleTask
	// RoleSandbox keeps the namespaces of a pod; it has no process.
	RoleSandbox
	// RoleReaper is a sandbox with a process, the first of the pod's process namespace.
	RoleReaper
)

// Unit is a service davit writes.
type Unit struct {
	Head
	Role Role
	// CompletedFile exists when a RoleJob has succeeded.
	CompletedFile string
	// StopWhenUnneeded stops it when no unit that needs it is left.
	StopWhenUnneeded bool
	// RequiresMountsFor are the absolute paths that must be mounted first.
	RequiresMountsFor []string
	// Launcher is the absolute path of davit-run.
	Launcher string
	// Bundle is the absolute path of the bundle to start.
	Bundle string
	// LogFields are added to every journal entry of the unit, LogExtraFields= of
	// systemd.exec(5): field → value.
	LogFields map[string]string
	// Reload is set when the launcher can reload the container.
	Reload bool
	// HoldsStart is set when the unit is up only once the launcher finds the container ready, which
	// may take HoldSeconds; 0 means for ever.
	HoldsStart  bool
	HoldSeconds int64
	// Notify is set when the container says itself that it is up.
	Notify bool
	// KeepsNetwork is set when systemd keeps the container's network namespace while it restarts the unit.
	KeepsNetwork bool
	// PreStop is set when the launcher runs something before the container is asked to stop.
	PreStop bool
	// DeadlineSeconds is how long a start may live; 0 means no limit.
	DeadlineSeconds int64
	// LogTag is the identifier of every journal entry; empty means Name without ".service".
	LogTag string
	// LogRateLimit bounds the journal entries; nil leaves that to journald.
	LogRateLimit *LogRateLimit
	// Restart is systemd's Restart=: "always", "on-failure" or "no".
	Restart string
	// RestartMaxDelay bounds the wait before a restart, which begins at a second and doubles with
	// each; 0 leaves it at a second. RestartSteps is set where systemd waits so long itself (systemd 254),
	// otherwise the launcher does.
	RestartMaxDelay time.Duration
	RestartSteps    bool
	// RestartDirect has units that wait for this one continue to wait while it is restarted (systemd 254).
	RestartDirect bool
	// StartAfterwards are units to start once this one has succeeded: systemd before 254 cancels the start of units
	// that wait for it when it first fails.
	StartAfterwards []string
	// MaxRestarts bounds the restarts; negative means no limit. They are counted since boot, or
	// over RestartPeriod where that is set.
	MaxRestarts   int
	RestartPeriod time.Duration
	// Due is set when a start by a timer may come too late.
	Due bool
	// KillSignal is the name of the signal that asks to stop, "SIGTERM".
	KillSignal string
	// SuccessStatus is an exit status that counts as a success; 0, which always does, adds none.
	SuccessStatus int
	// StopSeconds is how long a stop waits before it kills.
	StopSeconds int64
	// Slice is the slice it is in; empty means [nodeSlice].
	Slice string
	// LauncherGroup is set where systemd can start the launcher in a group below the unit's own
	// (systemd 254).
	LauncherGroup bool
	// Resources are the unit's limits; the zero value has none.
	Resources Resources
	// OOMScoreAdjust is from -1000 to 1000; 0 is every service's.
	OOMScoreAdjust int32
	// Extra is added to the sections as the manifest's author wrote it; a setting
	// here replaces davit's own of the same name.
	Extra Extra
}

// LogRateLimit is how many journal entries are taken in a time; 0 seconds means all.
type LogRateLimit struct {
	Seconds, Burst int64
}

// Dependencies are names of units, by the setting of systemd.unit(5) that lists them.
type Dependencies struct {
	After, Wants, Requires, BindsTo, PartOf []string
}

// Extra is passed through to the sections of a unit: setting → values.
type Extra struct {
	Unit, Service, Install map[string][]string
}

// Stamp is the section [X-Davit], which systemd ignores (systemd.unit(5)) and davit
// recognises its own units by, with no state of its own to lose.
type Stamp struct {
	// Object is the manifest's object, "Container/web".
	Object string
	// Keep is set when the unit stays though its manifest goes.
	Keep bool
}

package reconcile

import (
	"time"

	"github.com/davit-project/davit/units/bundle"
)

// Run are facts about a running unit beyond its state. They are read for units that are judged.
type Run struct {
	// Invocation tells this start of the unit from all others.
	Invocation string
	// Begun is when systemd began to start it, Entered when it was up.
	Begun, Entered time.Time
	// Before is set when that start was made before the version that is judged began, EndedBefore when the run that
	// ended last was of another version.
	Before, EndedBefore bool
	// Queued is the time since when systemd has a job for it that no known job precedes and that has not begun its start; zero
	// for none.
	Queued time.Time
	// ReloadFailed is set when its last reload failed.
	ReloadFailed bool
	// Restarts counts how often systemd restarted it by itself since davit or an operator started it.
	Restarts int
	// Ready is the result of its readiness probe; nil if it has none.
	Ready *Readiness
	// Last is how it last ended; nil where it has not since the node booted.
	Last *bundle.LastRun
}

// Since leaves out how runs of another version ended: before this one began, or from another bundle. systemd may
// restart a unit by itself between the change of its file and the restart that davit asks for, and the run before
// may end in its own way while it is stopped for that. No time before this version began counts against it.
func (r *Run) Since(began time.Time, bundleDir string) {
	if !r.Begun.IsZero() && r.Begun.Before(began) {
		r.Begun, r.Before = began, true
	}
	last := r.Last
	isBefore := last != nil && (last.At.Before(began) || last.Bundle != "" && last.Bundle != bundleDir)
	// A run whose end could not be noted was another one than that.
	r.EndedBefore = isBefore && (last.Invocation == r.Invocation || r.Invocation == "")
	if last == nil || isBefore {
		r.Last, r.Restarts = nil, 0
	}
}

// Dead reports whether the agent ended the last run: its liveness probe failed, or it wrote too much. A restart that it asks for
// is not one of those that systemd counts.
func (r Run) Dead() bool {
	return r.Last != nil && r.Last.Failure.IsOfRun()
}

// Readiness is the result of the readiness probe of a unit that is up.
type Readiness struct {
	Ready bool
	// Since is since when, Reason why it is not ready.
	Since  time.Time
	Reason string
}

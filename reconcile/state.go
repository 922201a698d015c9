package reconcile

import (
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// IsRunning reports whether the unit is active, activating or reloading.
func (w ActualWorkload) IsRunning() bool {
	return w.Active == names.Active || w.Active == names.Activating || w.Active == names.Reloading
}

// IsDown reports whether the unit has stopped, and systemd is not about to start it.
func (w ActualWorkload) IsDown() bool {
	return (w.Active.Down() || w.Active == "") && w.Job == ""
}

// IsArriving reports whether systemd has a job for the unit that ends with the version in its unit file, which is the desired
// one. If davit still has to start the unit, the job was begun before, and is no retry of a failed unit by systemd itself.
func (w ActualWorkload) IsArriving(workload Workload, owed bool) bool {
	if w.UnitText != workload.UnitText || w.NeedReload {
		return false
	}
	switch w.Job {
	case "restart", "try-restart", "reload", "reload-or-start", "try-reload":
		return true
	case "start":
		retries := w.Run != nil && w.Run.Restarts > 0
		return !owed || w.RunningDir == workload.BundleDir && !retries
	default:
		return false
	}
}

// Bundles returns the bundle that its unit file names and the one of its process.
func (w ActualWorkload) Bundles() iter.Seq[*bundle.Bundle] {
	return func(yield func(*bundle.Bundle) bool) {
		if w.Bundle == nil || yield(w.Bundle) {
			if w.Running != nil {
				yield(w.Running)
			}
		}
	}
}

// Condition is a unit's state for people, in systemd's words.
func (w ActualWorkload) Condition() string {
	switch {
	case w.Result != "" && w.Result != "success":
		return fmt.Sprintf("%s (%s)", w.Active, w.Result)
	case w.Sub != "":
		return fmt.Sprintf("%s (%s)", w.Active, w.Sub)
	default:
		return string(w.Active)
	}
}

// IsQueued reports whether systemd has a job for the unit and has not begun its start. A unit that waits for its next try counts
// as activating.
func (w ActualWorkload) IsQueued() bool {
	starting := w.Active == names.Activating && !w.Sub.Restarting()
	return w.Job != "" && w.Job != "reload" && !starting && w.Active != names.Reloading
}

// WasKilled reports whether the unit ended because something else killed its process: by SIGKILL or a
// signal that asks to end, which the kernel keeps from the first process of a PID namespace unless they
// come from outside (pid_namespaces(7)). It is not so where davit itself ended it, for its liveness, or
// the kernel, for its memory.
func (w ActualWorkload) WasKilled(run Run) bool {
	last := run.Last
	if last == nil || last.Failure != nil || last.Result != "signal" || run.Restarts > maxKills {
		return false
	}
	return slices.Contains([]string{"KILL", "TERM", "INT", "HUP", "QUIT"}, last.Exit)
}

// Ending says how the unit last ended, for people: " (exit-code 3)".
func (w ActualWorkload) Ending() string {
	switch {
	case w.Run != nil && w.Run.Last != nil && w.Run.Last.Result != "success":
		return " (" + w.Run.Last.String() + ")"
	case w.Result != "" && w.Result != "success":
		return " (" + w.Result + ")"
	case w.Run != nil && w.Run.Last != nil:
		return " (with success: a Container is expected to keep running)"
	default:
		return ""
	}
}

// IsOfAnother reports whether the unit's file on the node is of another object than the one that is to have it, as
// when a Container becomes a CronJob of its name.
func (w ActualWorkload) IsOfAnother(workload Workload) bool { return w.Ref != workload.Ref }

// IsMasked reports whether the unit is masked, for good or until the next boot.
func (w ActualWorkload) IsMasked() bool {
	return w.Enabled == "masked" || w.Enabled == "masked-runtime"
}

// WasStopped reports whether a unit is down because it was asked to stop. Only a request stops a unit that has no process, or
// stays active after its process ended; the process of a container that systemd always restarts (Restart= of systemd.service(5))
// may then have ended in any way. For other units the launcher records it.
func (w ActualWorkload) WasStopped(workload Workload) bool {
	if !w.IsDown() {
		return false
	}
	always := units.RestartsAlways(w.UnitText)
	ended := slices.Contains([]string{"exit-code", "signal", "core-dump", "timeout"}, w.Result)
	switch {
	case w.Active == names.Failed && (w.Asked || always):
		return ended
	case w.Active == names.Failed:
		return false
	case workload.Unit == nil:
		return true
	case workload.Unit.Role == units.RoleContainer:
		return always && workload.Keep == KeepRunning
	default:
		return workload.Unit.Role != units.RoleJob && workload.Unit.Role != units.RoleTask
	}
}

// StopBegan is when the last stop of a unit that is down began: when it was no longer active, or if it never was
// then, at the earliest when its start began.
func (w ActualWorkload) StopBegan() time.Time {
	if w.Left.After(w.Begun) {
		return w.Left
	}
	return w.Begun
}

// LastStop is when the last stop of a unit began and ended, whether it runs again or not; zero where it has not stopped.
func (w ActualWorkload) LastStop() (began, ended time.Time) {
	switch {
	case w.IsDown():
		return w.StopBegan(), w.Since
	case w.Ended.Before(w.Left): // it is still stopping
		return w.Left, time.Time{}
	default:
		return w.Left, w.Ended
	}
}

// IsSettled reports whether the unit is up as it is wanted, and systemd has nothing to do about it.
func (w ActualWorkload) IsSettled(workload Workload) bool {
	return w.Active == names.Active && w.Job == "" && (w.RunningDir == "" || w.RunningDir == workload.BundleDir)
}

// Stopping says that systemd stops the unit already; "" where it does not.
func (w ActualWorkload) Stopping(unit string) string {
	if w.Job != "stop" {
		return ""
	}
	return unit + " is stopping"
}

// stops reports whether systemd stops the unit, or is about to. A restart becomes a start once the unit has stopped.
func (w ActualWorkload) stops() bool {
	return w.Active == names.Deactivating || w.Job == "stop" || w.Job == "restart"
}

// BoundGap bounds the time between the end of a unit and the stop of one that requires it: systemd stops the dependent some
// time after the other one ended by itself.
const BoundGap = time.Second

// maxKills is how often a process may be killed from outside on probation before that counts against
// its version: something on the node kills it each time.
const maxKills = 3

// WithoutSource is a unit file's text without the path of the manifest it came from.
func WithoutSource(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if !sourceLine.MatchString(line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// sourceLine names a manifest in a unit file, as davit writes it now or did before.
var sourceLine = regexp.MustCompile(`^(SourcePath=|Source=|Documentation=file:)`)

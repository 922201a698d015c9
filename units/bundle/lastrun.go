package bundle

import (
	"path"
	"time"
)

// LastRun is how a container last ended, in systemd's words: systemd itself forgets it when the
// container starts again.
type LastRun struct {
	// Invocation is the start of the unit that it is about, as systemd names it.
	Invocation string `json:"invocation,omitempty"`
	// Bundle is the name of the directory of the bundle that ran, or that the launcher could not start; empty where the
	// launcher was ended before it came so far.
	Bundle string `json:"bundle,omitempty"`
	// Result is $SERVICE_RESULT of systemd.exec(5): success, exit-code, signal, oom-kill, timeout, …
	Result string `json:"result"`
	// Exit is the exit status, or the name of the signal, KILL.
	Exit string `json:"exit,omitempty"`
	// Asked is set when it did not end well because the unit was asked to stop or to restart.
	Asked bool `json:"asked,omitempty"`
	// At is when.
	At time.Time `json:"at"`
	// InARow counts this end and those before it that came soon after a start, where the launcher backs off.
	InARow int `json:"inARow,omitempty"`
	// Next is when the launcher starts it again, where that waits; the zero value is when systemd says.
	Next time.Time `json:"next,omitzero"`
	// Failure is why the launcher could not start it, or did not find it ready, or why the agent had it
	// ended; nil where it ended by itself.
	Failure *Failure `json:"failure,omitempty"`
	// Ports are those that the container has for its next start, although it does not publish them meanwhile: it published them,
	// or was kept from it, and was not asked to stop.
	Ports []Port `json:"ports,omitempty"`
}

// Failure is the reason why the launcher, or the agent, ends a run.
type Failure struct {
	// Invocation is the start of the unit that it kept from succeeding.
	Invocation string `json:"invocation"`
	// Bundle is that of the run, as in [LastRun], until the run is noted; empty where that is on record.
	Bundle string `json:"bundle,omitempty"`
	Stage  Stage  `json:"stage"`
	Error  string `json:"error"`
}

// Stage is a part of a container's start, or of its end.
type Stage string

// The stages.
const (
	StageImage   Stage = "image"   // its root file system, or a volume that is an image
	StageVolume  Stage = "volume"  // the volumes and paths of the node that it mounts
	StageNetwork Stage = "network" // its networks
	StageStart   Stage = "start"   // anything else up to its process, and its postStart hook
	StageProbe   Stage = "probe"   // it was not ready in time
	// StageAlive is none of a start: it ran, and its liveness probe failed. So is StageDisk: it wrote more than it may.
	StageAlive Stage = "alive"
	StageDisk  Stage = "disk"
)

// IsOfRun reports whether the agent ended a container that ran.
func (f *Failure) IsOfRun() bool { return f != nil && (f.Stage == StageAlive || f.Stage == StageDisk) }

// IsOfStart reports whether there was no container yet.
func (f *Failure) IsOfStart() bool { return f != nil && !f.IsOfRun() && f.Stage != StageProbe }

// String says it in a few words: "oom-kill", "exit-code 3", "signal SEGV".
func (r LastRun) String() string {
	if r.Exit == "" || r.Result != "exit-code" && r.Result != "signal" && r.Result != "core-dump" {
		return r.Result
	}
	return r.Result + " " + r.Exit
}

// LastRunFile returns the path of the note of a container's last run, as JSON.
func LastRunFile(id string) string { return path.Join(LastRunsDir, id) }

// FailureFile returns the path at which the launcher leaves its [Failure] for the note of the end of the run.
func FailureFile(id string) string { return path.Join(LastRunsDir, "."+id) }

// Calm is how long a container has to run before its earlier restarts no longer count, as in Kubernetes
// (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy).
const Calm = 10 * time.Minute

// BackOffFile says, from the end of a run until the next one begins, that this one is to wait, and for how long: see
// the launcher's backoff.c.
func BackOffFile(id string) string { return path.Join(backOffDir, id) }

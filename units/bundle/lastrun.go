package bundle

import (
	"path/filepath"
	"time"
)

// LastRun is how a container last ended, in systemd's words: systemd itself forgets it when the
// container starts again.
type LastRun struct {
	// Result is $SERVICE_RESULT of systemd.exec(5): success, exit-code, signal, oom-kill, timeout, …
	Result string `json:"result"`
	// Exit is the exit status, or the name of the signal, KILL.
	Exit string `json:"exit,omitempty"`
	// At is when.
	At time.Time `json:"at"`
}

// String says it in a few words: "oom-kill", "exit-code 3", "signal SEGV".
func (r LastRun) String() string {
	if r.Exit == "" || r.Result != "exit-code" && r.Result != "signal" && r.Result != "core-dump" {
		return r.Result
	}
	return r.Result + " " + r.Exit
}

// LastRunFile is where the last run of a container is noted, as JSON.
func LastRunFile(id string) string { return filepath.Join(LastRunsDir, id) }

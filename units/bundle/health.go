package bundle

import (
	"path"
	"time"
)

// HealthDir holds a [HealthRecord] for each running container whose readiness is watched, and the
// lock of whoever watches.
const HealthDir = RunDir + "/health"

// HealthLock is locked while somebody watches.
const HealthLock = HealthDir + "/lock"

// HealthFile is where the record of a container lies.
func HealthFile(id string) string { return path.Join(HealthDir, id+".json") }

// HealthRecord is what the probes of a running container have come to.
type HealthRecord struct {
	// Invocation is the start of the unit that it is about, as systemd names it.
	Invocation string `json:"invocation"`
	// Ready is what the readiness probe has come to, Since when.
	Ready bool      `json:"ready"`
	Since time.Time `json:"since"`
	// Reason is the error of the check that it failed with.
	Reason string `json:"reason,omitempty"`
}

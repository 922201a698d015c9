package bundle

import (
	"path"
	"time"
)

// healthDir holds a [HealthRecord] for each running container whose readiness is watched, and the
// lock of whoever watches.
const healthDir = RunDir + "/health"

// HealthLock is locked while an agent watches.
const HealthLock = healthDir + "/lock"

// HealthFile returns the path of the record of a container.
func HealthFile(id string) string { return path.Join(healthDir, id+".json") }

// HealthRecord is the result of the probes of a running container.
type HealthRecord struct {
	// Invocation is the start of the unit that it is about, as systemd names it.
	Invocation string `json:"invocation"`
	// Ready is the result of the readiness probe, Since its time.
	Ready bool      `json:"ready"`
	Since time.Time `json:"since"`
	// Reason is the error of the check that it failed with.
	Reason string `json:"reason,omitempty"`
}

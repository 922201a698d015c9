package reconcile

import (
	"time"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// The defaults of updatePolicy, in seconds.
const (
	defaultProgressDeadline = 120
	defaultMinReady         = 10
)

// updateOf says when a change of a service has worked.
func updateOf(policy v1.UpdatePolicy) Update {
	deadline, soak := int32(defaultProgressDeadline), int32(defaultMinReady)
	if policy.ProgressDeadlineSeconds != nil {
		deadline = *policy.ProgressDeadlineSeconds
	}
	if policy.MinReadySeconds != nil {
		soak = *policy.MinReadySeconds
	}
	return Update{
		Deadline: time.Duration(deadline) * time.Second,
		Soak:     time.Duration(soak) * time.Second,
		Whole:    policy.Atomic == v1.AtomicSet,
	}
}

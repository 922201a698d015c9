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
	atOnce := 1
	switch {
	case policy.Strategy == v1.StrategyRecreate:
		atOnce = 0
	case policy.MaxUnavailable != nil:
		atOnce = int(*policy.MaxUnavailable)
	case surgeOf(policy) > 0:
		atOnce = 0
	}
	if policy.Strategy != v1.StrategyRecreate {
		atOnce = max(atOnce+surgeOf(policy), 1)
	}
	return Update{
		AtOnce:   atOnce,
		Deadline: time.Duration(deadline) * time.Second,
		Soak:     time.Duration(soak) * time.Second,
		Whole:    policy.Atomic == v1.AtomicSet,
	}
}

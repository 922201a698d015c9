package resolve

import (
	"time"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
)

// The defaults of updatePolicy, in seconds.
const (
	defaultProgressDeadline = 120
	defaultMinReady         = 10
)

// updateOf says when a change of a service has worked. minReady is the node's default; it may be nil.
func updateOf(policy v1.UpdatePolicy, minReady *int32) reconcile.Update {
	deadline, soak := int32(defaultProgressDeadline), int32(defaultMinReady)
	if minReady != nil {
		soak = *minReady
	}
	if policy.ProgressDeadlineSeconds != nil {
		deadline = *policy.ProgressDeadlineSeconds
	}
	if policy.MinReadySeconds != nil {
		soak = *policy.MinReadySeconds
	}
	return reconcile.Update{
		AtOnce:      atOnceOf(policy),
		PullLate:    policy.Strategy == v1.StrategyStopThenPull || policy.Strategy == v1.StrategyDeleteThenPull,
		DeleteFirst: policy.Strategy == v1.StrategyDeleteThenPull,
		Deadline:    time.Duration(deadline) * time.Second,
		Soak:        time.Duration(soak) * time.Second,
		Whole:       policy.Atomic == v1.AtomicSet,
	}
}

// atOnceOf is how many replicas are restarted at a time; 0 means all.
func atOnceOf(policy v1.UpdatePolicy) int {
	if policy.Strategy != "" && policy.Strategy != v1.StrategyRollingUpdate {
		return 0
	}
	surge := surgeOf(policy)
	if policy.MaxUnavailable == nil {
		return max(surge, 1)
	}
	return max(int(*policy.MaxUnavailable)+surge, 1)
}

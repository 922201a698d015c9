// Package reconcile decides what must change on a node and in which order.
//
// Its core is pure: [Resolve] turns objects into the desired state, [Diff] compares
// that with the actual state and returns a [Plan], which is data. [Apply] walks a plan
// and acts through the small interfaces declared here, which the packages below agent
// implement. Nothing here reads a clock, a file, the environment or a bus, and nothing
// here imports agent.
package reconcile

// Package reconcile decides what must change on a node and in which order.
//
// This package has the types that its parts share: the [Desired] and the [Actual] state, and the [Plan], which is data. Package
// resolve turns objects into the desired state, package diff compares that with the actual state and returns a plan, package
// apply carries a plan out by small interfaces, which the packages below agent implement, and package history remembers what was
// applied and whether it works. Only apply acts: nothing else reads a clock, a file, the environment or a bus, and nothing here
// imports agent.
package reconcile

// Package reconcile decides which changes a node needs and in which order.
//
// This package has the types that its parts share: the [Desired] and the [Actual] state, and the [Plan], which is data. Package
// resolve turns objects into the desired state, package diff compares that with the actual state and returns a plan, package
// apply carries a plan out by small interfaces, which the packages below agent implement, and package history keeps the
// generations and the verdicts on them. Only apply acts: no other package reads a clock, a file, the environment or a bus, and
// none imports agent.
package reconcile

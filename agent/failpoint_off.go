//go:build !failpoints

package agent

// failpoint is where a test may end the process.
func failpoint(string) {}

//go:build failpoints

package agent

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
)

// failpoints counts the points that were passed.
var failpoints atomic.Int64

// failpoint kills this process at the point whose number is in DAVIT_FAIL, counted from 1. It is for tests of a kill at any
// moment, and only in builds with the tag.
func failpoint(name string) {
	at, err := strconv.ParseInt(os.Getenv("DAVIT_FAIL"), 10, 64)
	if err != nil || failpoints.Add(1) != at {
		return
	}
	fmt.Fprintln(os.Stderr, "killed at", name)
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // until the kill arrives
}

//go:build linux

package signals

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestTheKernelHasTheSameNumbers compares the names with those of the system that the test is compiled for.
func TestTheKernelHasTheSameNumbers(t *testing.T) {
	t.Parallel()
	for number := range names {
		signal := Signal(number)
		if want := unix.SignalName(unix.Signal(number)); names[number] != "" && signal.String() != want {
			t.Errorf("%d is %s, want %s", number, signal, want)
		}
	}
}

package resolve_test

import (
	"testing"

	"github.com/davit-project/davit/reconcile/resolve"
)

func TestCPUWeightIsAHundredForOneCPU(t *testing.T) {
	t.Parallel()
	for milli, want := range map[uint64]uint64{0: 0, 1: 1, 250: 25, 1000: 100, 64000: 6400, 1000000: 10000} {
		if got := resolve.CpuWeight(milli); got != want {
			t.Errorf("%d thousandths of a CPU: got %d, want %d", milli, got, want)
		}
	}
}

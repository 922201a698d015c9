package confine

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// MaskThrottling hides the counters of each CPU that tell as much of other processes as
// /proc/interrupts does, where that is hidden, as Docker does (GHSA-6fw5-f8r9-fgfm). How many CPUs
// there are only the node knows.
func MaskThrottling(spec *specs.Spec) error {
	if !slices.Contains(spec.Linux.MaskedPaths, "/proc/interrupts") {
		return nil
	}
	paths, err := filepath.Glob("/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle")
	if err != nil {
		return fmt.Errorf("find what to hide of the CPUs: %w", err)
	}
	spec.Linux.MaskedPaths = append(spec.Linux.MaskedPaths, paths...)
	return nil
}

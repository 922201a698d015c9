package launch

import (
	"fmt"
	"path/filepath"
	"slices"
)

// maskThrottling hides the counters of each CPU that tell as much of other processes as
// /proc/interrupts does, where that is hidden, as Docker does (GHSA-6fw5-f8r9-fgfm). How many CPUs
// there are only the node knows.
func (r *run) maskThrottling() error {
	if !slices.Contains(r.Spec.Linux.MaskedPaths, "/proc/interrupts") {
		return nil
	}
	paths, err := filepath.Glob("/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle")
	if err != nil {
		return fmt.Errorf("find what to hide of the CPUs: %w", err)
	}
	r.Spec.Linux.MaskedPaths = append(r.Spec.Linux.MaskedPaths, paths...)
	return nil
}

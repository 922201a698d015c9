package confine

import (
	"fmt"

	"github.com/davit-project/davit/agent/launch/program"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// LimitArchitectures leaves the system call filter with the node's own architecture where the container
// starts a 64-bit program of an image that cannot run others: it has then no way to the kernel's 32-bit
// calls, and libseccomp makes the filter in an eighth of the time. In doubt the filter has all.
func LimitArchitectures(b *bundle.Bundle, rootfs string) error {
	filter := b.Spec.Linux.Seccomp
	if !b.OwnCalls || filter == nil || len(filter.Architectures) < 2 {
		return nil
	}
	only, err := program.Only64Bit(rootfs, b.Spec.Process)
	if untrusted.IsRefusal(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the program: %w", err)
	}
	if only {
		filter.Architectures = filter.Architectures[:1]
	}
	return nil
}

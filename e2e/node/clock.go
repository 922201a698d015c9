package node

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// dropClock takes CAP_SYS_TIME from the programs that the calling thread executes from now on: the
// kernel keeps one clock for the machine and all its nodes. A program that root executes has the
// capabilities of the bounding and the inheritable set (capabilities(7)); the latter is empty unless
// the machine's own PID 1 filled it.
func dropClock() error {
	if err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_TIME, 0, 0, 0); err != nil {
		return fmt.Errorf("drop CAP_SYS_TIME from the bounding set: %w", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_LOWER, unix.CAP_SYS_TIME, 0, 0); err != nil {
		return fmt.Errorf("drop CAP_SYS_TIME from the ambient set: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData // the lower and the upper 32 capabilities
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	sets[unix.CAP_SYS_TIME/32].Inheritable &^= 1 << (unix.CAP_SYS_TIME % 32)
	if err := unix.Capset(&header, &sets[0]); err != nil {
		return fmt.Errorf("drop CAP_SYS_TIME from the inheritable set: %w", err)
	}
	return nil
}

package agent

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// freeMemory gives memory back that the agent needs only while it works: pages that the garbage collector has freed, and pages of
// its own program, most of which only a pass needs. The kernel reads those again from its cache.
func freeMemory() error {
	debug.FreeOSMemory()
	if err := unmapProgram(); err != nil {
		return fmt.Errorf("give memory back: %w", err)
	}
	return nil
}

// unmapProgram removes the pages of this program's file that are not writable from its memory (madvise(2), MADV_DONTNEED).
func unmapProgram() error {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		// 00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/davit (proc_pid_maps(5))
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || fields[5] != self || strings.Contains(fields[1], "w") {
			continue
		}
		var begin, end uintptr
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &begin, &end); err != nil {
			return err
		}
		if _, _, failure := unix.Syscall(unix.SYS_MADVISE, begin, end-begin, unix.MADV_DONTNEED); failure != 0 {
			return os.NewSyscallError("madvise", failure)
		}
	}
	return nil
}

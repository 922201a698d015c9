package agent

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// freeMemory gives the memory back that the agent needs only while it works: what the garbage collector has
// freed, and the pages of its own program, most of which a pass over a node needs and a wait for the next
// one does not. The kernel reads those again from its cache.
func freeMemory() error {
	debug.FreeOSMemory()
	if err := unmapProgram(); err != nil {
		return fmt.Errorf("give memory back: %w", err)
	}
	return nil
}

// unmapProgram takes the pages of this program's file that nobody can have written to out of its memory
// (madvise(2), MADV_DONTNEED).
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

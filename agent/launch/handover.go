package launch

import "C" // handover.c

import (
	"fmt"
	"os"
	"strconv"
)

// messageFD names the pipe to the process that systemd started, see handover.c.
const messageFD = "DAVIT_MESSAGE_FD"

// notify has systemd told, after this process has exited, that the unit's main process
// is pid and that it is up. NOTIFYACCESS=none then closes the socket to whatever else runs
// in the unit: a process that root runs could name any other process as the main one. It
// came with systemd 254 (sd_notify(3)); older versions ignore it.
func notify(pid int) error {
	fd, err := strconv.Atoi(os.Getenv(messageFD))
	if err != nil {
		return fmt.Errorf("tell systemd of the container: %s: %w", messageFD, err)
	}
	pipe := os.NewFile(uintptr(fd), "message")
	if _, err := fmt.Fprintf(pipe, "MAINPID=%d\nREADY=1\nNOTIFYACCESS=none", pid); err != nil {
		return fmt.Errorf("tell systemd of the container: %w", err)
	}
	return pipe.Close()
}

package launch

// extern int davit_message_fd;
import "C"

import (
	"errors"
	"fmt"
	"os"
)

// notify has systemd told, after this process has exited, that the unit's main process
// is pid and that it is up; see handover.c. NOTIFYACCESS=none then closes the socket to
// whatever else runs in the unit: a process that root runs could name any other process
// as the main one. It came with systemd 254 (sd_notify(3)); older versions ignore it.
func notify(pid int) error {
	if C.davit_message_fd < 0 {
		return errors.New("tell systemd of the container: this process is not davit-run start")
	}
	pipe := os.NewFile(uintptr(C.davit_message_fd), "message to systemd")
	if _, err := fmt.Fprintf(pipe, "MAINPID=%d\nREADY=1\nNOTIFYACCESS=none", pid); err != nil {
		return fmt.Errorf("tell systemd of the container: %w", err)
	}
	return pipe.Close()
}

package launch

// extern int davit_message_fd;
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/davit-project/davit/units/bundle"
)

// execFIFO is where libcontainer keeps a created container's process waiting
// (execFifoFilename of runc's libcontainer); what opens it lets the process go on.
const execFIFO = "exec.fifo"

// handOver names the container's waiting process to the process that systemd started,
// which tells systemd of it and lets it run once this one has exited; see handover.c.
func handOver(id string, pid int) error {
	if C.davit_message_fd < 0 {
		return errors.New("tell systemd of the container: this process is not davit-run start")
	}
	pipe := os.NewFile(uintptr(C.davit_message_fd), "message to systemd")
	if _, err := fmt.Fprintf(pipe, "%d %s", pid, filepath.Join(bundle.RuntimeDir, id, execFIFO)); err != nil {
		return fmt.Errorf("tell systemd of the container: %w", err)
	}
	return pipe.Close()
}

package launch

import (
	"errors"
	"fmt"
	"os"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notify tells systemd that the unit's main process is pid and that it is up.
// NOTIFYACCESS=none then closes the socket to whatever else runs in the unit: a process
// that root runs could name any other process as the main one. It came with systemd 254
// (sd_notify(3)); older versions ignore it.
func notify(pid int) error {
	sent, err := daemon.SdNotify(false, fmt.Sprintf("MAINPID=%d\nREADY=1\nNOTIFYACCESS=none", pid))
	if err != nil {
		return fmt.Errorf("tell systemd of process %d: %w", pid, err)
	}
	if !sent {
		return errors.New("tell systemd of the container: no NOTIFY_SOCKET: the unit lacks Type=notify or NotifyAccess=all")
	}
	return nil
}

// forgetSystemd removes what systemd gave this process alone, so that no child has it.
func forgetSystemd() {
	for _, name := range []string{
		"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "CREDENTIALS_DIRECTORY", "WATCHDOG_USEC", "WATCHDOG_PID",
	} {
		os.Unsetenv(name)
	}
}

package launch

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// firstSocket is the first descriptor of those that systemd hands over (SD_LISTEN_FDS_START of
// sd_listen_fds(3)), outside of the container as in it.
const firstSocket = 3

// receiveSockets takes the listening sockets that systemd hands over, for the container's process
// and nothing that is started before it.
func (r *run) receiveSockets() error {
	if len(r.Sockets) == 0 {
		return nil
	}
	// What systemd has kept comes after them.
	if count, err := strconv.Atoi(os.Getenv("LISTEN_FDS")); err != nil || count < len(r.Sockets) {
		return fmt.Errorf("systemd handed over %q sockets, want %d: see systemctl status %s.socket", os.Getenv("LISTEN_FDS"), len(r.Sockets), r.ID)
	}
	for i, name := range r.Sockets {
		unix.CloseOnExec(firstSocket + i)
		r.sockets = append(r.sockets, os.NewFile(uintptr(firstSocket+i), name))
	}
	r.setEnv("LISTEN_FDS", strconv.Itoa(len(r.Sockets)))
	r.setEnv("LISTEN_FDNAMES", strings.Join(r.Sockets, ":"))
	r.setEnv("LISTEN_PID", "1") // in its own process namespace
	return nil
}

package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// firstSocket is the first descriptor of those that systemd hands over (SD_LISTEN_FDS_START of
// sd_listen_fds(3)), outside of the container as in it.
const firstSocket = 3

// ReceiveSockets takes the listening sockets that systemd hands over, for the container's process and nothing that is
// started before it.
func ReceiveSockets(b *bundle.Bundle) ([]*os.File, error) {
	if len(b.Sockets) == 0 {
		return nil, nil
	}
	// Descriptors of the file descriptor store come after them.
	if count, err := strconv.Atoi(os.Getenv("LISTEN_FDS")); err != nil || count < len(b.Sockets) {
		return nil, fmt.Errorf("systemd handed over %q sockets, want %d: see systemctl status %s.socket", os.Getenv("LISTEN_FDS"), len(b.Sockets), b.ID)
	}
	var sockets []*os.File
	for i, name := range b.Sockets {
		unix.CloseOnExec(firstSocket + i)
		sockets = append(sockets, os.NewFile(uintptr(firstSocket+i), name))
	}
	SetEnv(b.Spec.Process, "LISTEN_FDS", strconv.Itoa(len(b.Sockets)))
	SetEnv(b.Spec.Process, "LISTEN_FDNAMES", strings.Join(b.Sockets, ":"))
	SetEnv(b.Spec.Process, "LISTEN_PID", "1") // in its own process namespace
	return sockets, nil
}

// KeptNamespace is the network namespace that systemd hands over after so many sockets; nil where it has
// none.
func KeptNamespace(sockets int) *os.File {
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	if len(names) != sockets+1 || names[sockets] != bundle.KeptNetwork {
		return nil
	}
	unix.CloseOnExec(firstSocket + sockets)
	return os.NewFile(uintptr(firstSocket+sockets), bundle.KeptNetwork)
}

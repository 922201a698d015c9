package process

import (
	"fmt"
	"os"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/units/bundle"
)

// notifyPath is the path in a container of the socket on which it reports its state.
const notifyPath = "/run/notify"

// AddNotify gives a container that reports its own state a socket for that, which it returns; nil for any other. The socket
// leads to the parent process, see relay.c, and never to systemd itself.
func AddNotify(b *bundle.Bundle) (*os.File, error) {
	if !b.Notify {
		return nil, nil
	}
	path := record.File(b.ID, "notify")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	socket := os.NewFile(uintptr(fd), path)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, fmt.Errorf("make the notify socket: %w", err)
	}
	// Any user of the container may talk, as any user of a node may to systemd's.
	if err := os.Chmod(path, 0o666); err != nil {
		return nil, err
	}
	b.Spec.Mounts = append(b.Spec.Mounts, specs.Mount{
		Type: "bind", Source: path, Destination: notifyPath, Options: []string{"bind", "rprivate", "nosuid", "nodev", "noexec"},
	})
	SetEnv(b.Spec.Process, "NOTIFY_SOCKET", notifyPath)
	if interval := os.Getenv("WATCHDOG_USEC"); interval != "" {
		SetEnv(b.Spec.Process, "WATCHDOG_USEC", interval)
		if isFirstProcess(b) {
			// Programs heed it only when it is their own (sd_watchdog_enabled(3)); without it, they
			// take it for theirs.
			SetEnv(b.Spec.Process, "WATCHDOG_PID", "1")
		}
	}
	return socket, nil
}

// isFirstProcess reports whether the container's program is the first of its process namespace.
func isFirstProcess(b *bundle.Bundle) bool {
	return !b.Init && slices.ContainsFunc(b.Spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
		return n.Type == specs.PIDNamespace && n.Path == ""
	})
}

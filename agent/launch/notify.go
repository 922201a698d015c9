package launch

import (
	"fmt"
	"os"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// notifyPath is where a container finds the socket on which it says how it is.
const notifyPath = "/run/notify"

// addNotify gives a container that says itself how it is a socket to say it on. It leads to a
// process of davit's, see relay.c, and never to systemd itself.
func (r *run) addNotify() error {
	if !r.Notify {
		return nil
	}
	path := ownFile(r.ID, "notify")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	r.notify = os.NewFile(uintptr(fd), path)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return fmt.Errorf("make the notify socket: %w", err)
	}
	// Any user of the container may talk, as any user of a node may to systemd's.
	if err := os.Chmod(path, 0o666); err != nil {
		return err
	}
	r.Spec.Mounts = append(r.Spec.Mounts, specs.Mount{
		Type: "bind", Source: path, Destination: notifyPath, Options: []string{"bind", "rprivate", "nosuid", "nodev", "noexec"},
	})
	r.setEnv("NOTIFY_SOCKET", notifyPath)
	if interval := os.Getenv("WATCHDOG_USEC"); interval != "" {
		r.setEnv("WATCHDOG_USEC", interval)
		if r.isFirstProcess() {
			// Programs heed it only when it is their own (sd_watchdog_enabled(3)); without it, they
			// take it for theirs.
			r.setEnv("WATCHDOG_PID", "1")
		}
	}
	return nil
}

// isFirstProcess reports whether the container's program is the first of its process namespace.
func (r *run) isFirstProcess() bool {
	return !r.Init && slices.ContainsFunc(r.Spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
		return n.Type == specs.PIDNamespace && n.Path == ""
	})
}

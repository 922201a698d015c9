package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrAlive is returned by [Kill] when processes do not end: they wait in the kernel.
var ErrAlive = errors.New("processes that were killed are still there")

// Kill kills all processes of a group, such as /davit.slice/web.service/payload, and waits for as long as
// within until they have ended. A group that is not there has none.
func Kill(group string, within time.Duration) error {
	if err := kill(filepath.Join(root, group), time.Now().Add(within)); err != nil {
		return fmt.Errorf("kill the processes in %s: %w", group, err)
	}
	return nil
}

func kill(dir string, deadline time.Time) error {
	events, err := os.Open(filepath.Join(dir, "cgroup.events"))
	if err != nil {
		return ignoreMissing(err)
	}
	defer events.Close()
	for killed := false; ; killed = true {
		// A file of kernfs is read again from its beginning to hear of the next change (cgroup-v2.rst).
		text := make([]byte, 256)
		n, err := events.ReadAt(text, 0)
		if n == 0 && err != nil {
			return ignoreMissing(err)
		}
		if !bytes.Contains(text[:n], []byte("populated 1")) {
			return nil
		}
		if !killed {
			if err := killAll(dir); err != nil {
				return err
			}
		}
		left := time.Until(deadline)
		if left <= 0 {
			return ErrAlive
		}
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(events.Fd()), Events: unix.POLLPRI}}, int(left/time.Millisecond)+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("poll", err)
		}
	}
}

// killAll has the kernel kill the group and all below, which Linux can since 5.14; before, it kills the
// processes of the group itself, among them the first one of the container's process namespace.
func killAll(dir string) error {
	err := os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0)
	if !errors.Is(err, os.ErrNotExist) {
		return ignoreMissing(err)
	}
	pids, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return ignoreMissing(err)
	}
	for _, text := range strings.Fields(string(pids)) {
		pid, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return os.NewSyscallError("kill", err)
		}
	}
	return nil
}

package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/runtime"
)

// mainPID names a service's main process in its other processes' environment (systemd.exec(5)).
const mainPID = "MAINPID"

// process is a unit's main process.
type process struct {
	pid int
	fd  *os.File
}

// errNotRunning is returned for a unit whose main process has ended.
var errNotRunning = errors.New("the container has ended")

// openMain opens the main process of the unit that this process belongs to.
func openMain() (*process, error) {
	pid, err := strconv.Atoi(os.Getenv(mainPID))
	if err != nil || pid <= 0 {
		return nil, errNotRunning
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil, errNotRunning
	}
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return &process{pid, os.NewFile(uintptr(fd), "main process")}, nil
}

// Close closes the descriptor; the process is left alone.
func (p *process) Close() error { return p.fd.Close() }

// whileItRuns ends with the process.
func (p *process) whileItRuns(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	fd := int32(p.fd.Fd())
	go func() {
		for {
			// pidfd_open(2): it can be read when the process has ended.
			_, err := unix.Poll([]unix.PollFd{{Fd: fd, Events: unix.POLLIN}}, -1)
			if !errors.Is(err, unix.EINTR) {
				cancel(errNotRunning)
				return
			}
		}
	}()
	return ctx
}

// killLater leaves a process behind that kills this one unless it ends within the time: systemd
// measures each stage of a stop apart.
func (p *process) killLater(within time.Duration) error {
	killer := exec.Command("/proc/self/exe", "expire", within.String())
	killer.Args[0] = "davit-run"
	killer.Env = []string{}
	killer.Stderr = os.Stderr
	killer.ExtraFiles = []*os.File{p.fd}
	killer.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := killer.Start(); err != nil {
		return fmt.Errorf("watch the grace period: %w", err)
	}
	return nil
}

// expireFD is where [Expire] finds the process.
const expireFD = 3

// Expire kills the process whose descriptor it was given unless it ends within the time.
func Expire(within time.Duration) error {
	ended, err := runtime.EndsWithin(expireFD, within)
	if ended || err != nil {
		return err
	}
	fmt.Fprintln(messages, "davit-run: the grace period is over: killing the container")
	return os.NewSyscallError("pidfd_send_signal", unix.PidfdSendSignal(expireFD, unix.SIGKILL, nil, 0))
}

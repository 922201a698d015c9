package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/probe"
	"github.com/davit-project/davit/units/bundle"
)

// runHook runs a hook to its end. What a command says goes to the journal.
func runHook(ctx context.Context, b *bundle.Bundle, target probe.Target, hook bundle.Hook) error {
	if len(hook.Exec) > 0 {
		return runCommand(ctx, b, hook.Exec, os.Stdout, os.Stderr)
	}
	if hook.HTTP != nil || hook.TCP != nil {
		return target.Check(ctx, hook.Check)
	}
	return sleepUntil(ctx, time.Now().Add(time.Duration(hook.SleepSeconds)*time.Second))
}

// leastForSignal is what is left for the stop signal though a hook took all the time, as in
// Kubernetes.
const leastForSignal = 2 * time.Second

// PreStop gives the container id, which systemd is about to stop, its grace period: a replica leaves its name
// and its ports to the others, and goes on serving for a while those who have just looked it up; the hook runs, if
// there is one; and the container is killed when the time is over. It is the unit's ExecStop=, which systemd
// also runs after the container has ended by itself: then a replica leaves its name, and there is nothing else
// to do. A hook that fails is reported and holds up nothing.
func PreStop(ctx context.Context, id string, grace time.Duration) error {
	main, err := openMain()
	if errors.Is(err, errNotRunning) {
		return withdrawEnded(id)
	}
	if err != nil {
		return fmt.Errorf("stop %s: %w", id, err)
	}
	defer main.Close()
	began := time.Now()
	if err := preStop(ctx, id, main, grace); err != nil {
		fmt.Fprintf(messages, "davit-run: %v: the stop goes on\n", err)
	}
	left := max(grace-time.Since(began), min(leastForSignal, grace))
	return main.killLater(left)
}

func preStop(ctx context.Context, id string, main *process, grace time.Duration) error {
	b, err := readRunning(id)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(main.whileItRuns(ctx), grace, fmt.Errorf("it did not end within the grace period of %s", grace))
	defer cancel()
	hook := b.Health.PreStop
	if b.Replica {
		drained := time.Now().Add(drainOf(grace, hook))
		others, err := withdraw(b)
		if err != nil { // the hook matters more
			fmt.Fprintf(messages, "davit-run: stop %s: %v: the stop goes on\n", id, err)
		}
		if others && sleepUntil(ctx, drained) != nil {
			return nil // it ends meanwhile
		}
	}
	if hook == nil {
		return nil
	}
	target, err := probe.OpenTarget(b, main.pid, nil)
	if err != nil {
		return err
	}
	defer target.Close()
	err = runHook(ctx, b, target, *hook)
	if err != nil && errors.Is(context.Cause(ctx), errNotRunning) {
		return nil // a hook may well end the container
	}
	if err = ended(ctx, err); err != nil {
		return fmt.Errorf("preStop hook of %s: %w", id, err)
	}
	return nil
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
	ended, err := endsWithin(expireFD, within)
	if ended || err != nil {
		return err
	}
	fmt.Fprintln(messages, "davit-run: the grace period is over: killing the container")
	return os.NewSyscallError("pidfd_send_signal", unix.PidfdSendSignal(expireFD, unix.SIGKILL, nil, 0))
}

// endsWithin waits for the process of a pidfd to end, no longer than the time, and says whether it has.
func endsWithin(fd int, within time.Duration) (bool, error) {
	deadline := time.Now().Add(within)
	for {
		left := max(time.Until(deadline), 0)
		// pidfd_open(2): it can be read when the process has ended.
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return n > 0, os.NewSyscallError("poll", err)
		}
	}
}

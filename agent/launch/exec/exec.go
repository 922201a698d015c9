// Package exec runs processes in running containers, confined as those are, and joins this process's streams or terminal
// with theirs. It makes and changes no container.
package exec

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/confine"
	"github.com/davit-project/davit/agent/launch/process"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/launch/runtime"
	"github.com/davit-project/davit/units/bundle"
)

// Options is a process to run in a container beside its own.
type Options struct {
	// Args is the command line.
	Args []string
	// Env is added to the container's environment, NAME=value.
	Env []string
	// User is user[:group] as in a manifest; empty means the container's own.
	User string
	// WorkingDir is a path in the container; empty means the container's own.
	WorkingDir string
	// Interactive passes this process's standard input on; without it there is none.
	Interactive bool
	// Terminal gives the process a terminal of its own, joined to this process's.
	Terminal bool
	// DetachKeys leave the process on its terminal running; none means that nothing does.
	DetachKeys []byte
}

// Exit statuses of [Run]'s own errors, as podman exec and docker exec have them.
const (
	StatusError         = 125
	statusNotExecutable = 126
	statusNotFound      = 127
)

// Run runs a process in the container id, confined as the container is, and returns its
// exit status. With an error, the status tells whether the command was found.
func Run(id string, options Options) (int, error) {
	status, err := run(id, options)
	if err != nil {
		return statusOf(err), fmt.Errorf("exec in %s: %w", id, err)
	}
	return status, nil
}

// statusOf knows libcontainer's errors by their text: they come from another process.
func statusOf(err error) int {
	text := err.Error()
	switch {
	case strings.Contains(text, "executable file not found in $PATH"), strings.Contains(text, "exec: ") && strings.Contains(text, unix.ENOENT.Error()):
		return statusNotFound
	case strings.Contains(text, "exec: ") && strings.Contains(text, unix.EACCES.Error()):
		return statusNotExecutable
	}
	return StatusError
}

func run(id string, options Options) (int, error) {
	b, err := record.ReadRunning(id)
	if err != nil {
		return 0, err
	}
	container, pid, err := joinable(b)
	if err != nil {
		return 0, err
	}
	spec, err := processFor(b, pid, options)
	if err != nil {
		return 0, err
	}
	if options.Terminal {
		return runOnTerminal(container, spec, options)
	}
	return runOnPipes(container, spec, options.Interactive)
}

// joinable returns the runtime of a container that a process can join, and the id of its first
// process.
func joinable(b *bundle.Bundle) (runtime.Container, int, error) {
	container := runtime.Of(b)
	pid, err := container.Pid()
	if err != nil {
		return nil, 0, fmt.Errorf("%w: see systemctl status %s", err, b.ID)
	}
	cgroup, err := runtime.GroupOf(pid)
	if err != nil {
		return nil, 0, err
	}
	if frozen(cgroup) {
		return nil, 0, fmt.Errorf("it is frozen: systemctl thaw %s", b.ID)
	}
	return container, pid, nil
}

// frozen reports whether processes of a cgroup are frozen, by its own setting or by one above it: a process that joins
// it would freeze too, and block its starter.
func frozen(cgroup string) bool {
	events, err := os.ReadFile(filepath.Join(runtime.GroupRoot, cgroup, "cgroup.events"))
	return err == nil && strings.Contains(string(events), "frozen 1")
}

// processFor is the container's own process with other arguments. The user is looked up
// through the container's first process, whose root is the container's.
func processFor(b *bundle.Bundle, pid int, options Options) (*specs.Process, error) {
	if options.User != "" {
		// A user option of root is allowed although the container may not run as root: the process gets no more rights
		// than the container has.
		b.User, b.RunAsNonRoot = options.User, false
	}
	if err := process.RecallEnvironment(b); err != nil {
		return nil, err
	}
	account, err := process.LookUpUser(b, fmt.Sprintf("/proc/%d/root", pid))
	if err != nil {
		return nil, err
	}
	process.DefaultEnvironment(b, account)
	if err := confine.LimitCapabilities(b); err != nil {
		return nil, err
	}
	spec := b.Spec.Process
	spec.Args, spec.Terminal = options.Args, options.Terminal
	// Of SELinux' label, nothing said means the container's own. Of the profile that holds for some
	// runtimes alone: it is that of the container's first process.
	if spec.ApparmorProfile, err = confine.AppArmorOf(pid); err != nil {
		return nil, err
	}
	if options.Terminal {
		process.SetEnv(spec, "TERM", os.Getenv("TERM"))
	}
	for _, entry := range options.Env {
		name, value, _ := strings.Cut(entry, "=")
		process.SetEnv(spec, name, value)
	}
	if options.WorkingDir != "" {
		spec.Cwd = options.WorkingDir
	}
	return spec, nil
}

// forwarded are the signals that this process passes on. The process in the container has a
// session of its own, so nothing but this one sends it any.
var forwarded = []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2}

// running is a process that was started, and how it ended.
type running struct {
	runtime.Process
	signals chan os.Signal
	ended   chan struct{}
	// status and err are there once ended is closed.
	status int
	err    error
}

// start starts the process and passes signals on to it until it has ended.
func start(container runtime.Container, process *specs.Process, with runtime.Streams) (*running, *os.File, error) {
	r := &running{signals: make(chan os.Signal, 16), ended: make(chan struct{})}
	signal.Notify(r.signals, forwarded...)
	var terminal *os.File
	var err error
	if r.Process, terminal, err = container.Exec(process, with); err != nil {
		signal.Stop(r.signals)
		return nil, nil, fmt.Errorf("run %q: %w", process.Args[0], err)
	}
	go r.wait()
	go r.forward()
	return r, terminal, nil
}

func (r *running) wait() {
	defer close(r.ended)
	state, err := r.Wait()
	if state == nil {
		r.err = err
		return
	}
	r.status = exitStatus(state)
}

func (r *running) forward() {
	defer signal.Stop(r.signals)
	for {
		select {
		case received := <-r.signals:
			// The process may have ended; its status tells more than this error.
			_ = r.Signal(received)
		case <-r.ended:
			return
		}
	}
}

// exitStatus is how a process ended, as shells say it.
func exitStatus(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

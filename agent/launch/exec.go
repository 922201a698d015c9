package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/containerd/console"
	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// ExecOptions is a process to run in a container beside its own.
type ExecOptions struct {
	// Args is the command line.
	Args []string
	// Env is added to the container's environment.
	Env []string
	// User is user[:group] as in a manifest; empty means the container's own.
	User string
	// WorkingDir is a path in the container; empty means the container's own.
	WorkingDir string
	// Terminal gives the process a terminal of its own, joined to this process's.
	Terminal bool
}

// Exec runs a process in the container id, confined as the container is, and returns its
// exit status.
func Exec(id string, options ExecOptions) (int, error) {
	status, err := execIn(id, options)
	if err != nil {
		return 0, fmt.Errorf("exec in %s: %w", id, err)
	}
	return status, nil
}

func execIn(id string, options ExecOptions) (int, error) {
	if !validID.MatchString(id) {
		return 0, fmt.Errorf("%q is not the name of a container", id)
	}
	b, err := readBundle(filepath.Join(bundle.AttachmentsDir, id))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("not running: see systemctl status %s", id)
	}
	if err != nil {
		return 0, err
	}
	runtime := runtimeOf(b)
	pid, err := runtime.pid()
	if err != nil {
		return 0, err
	}
	process, err := execProcess(pid, b, options)
	if err != nil {
		return 0, err
	}
	return runtime.exec(process)
}

// execProcess is the container's own process with other arguments. The user is looked up
// through the container's first process, whose root is the container's.
func execProcess(pid int, b *bundle.Bundle, options ExecOptions) (*specs.Process, error) {
	r := &run{Bundle: b, rootfs: fmt.Sprintf("/proc/%d/root", pid)}
	if options.User != "" {
		r.User = options.User
	}
	for _, step := range []func() error{r.recallEnvironment, r.lookUpUser, r.limitCapabilities} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	spec := r.Spec.Process
	spec.Args, spec.Terminal = options.Args, options.Terminal
	spec.Env = append(spec.Env, options.Env...)
	if options.Terminal {
		spec.Env = append(spec.Env, "TERM="+os.Getenv("TERM"))
	}
	if options.WorkingDir != "" {
		spec.Cwd = options.WorkingDir
	}
	return spec, nil
}

func runToEnd(container *libcontainer.Container, process *libcontainer.Process) (int, error) {
	if err := container.Run(process); err != nil {
		return 0, fmt.Errorf("run %q: %w", process.Args[0], err)
	}
	defer passSignals(process.Signal)()
	state, err := process.Wait()
	if err != nil && state == nil {
		return 0, err
	}
	return exitStatus(state), nil
}

// passSignals sends a process the signals that this one gets, until stop is called: a terminal
// sends them to both, a service manager only to this one.
func passSignals(send func(os.Signal) error) (stop func()) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	go func() {
		for received := range signals {
			// The process may have ended; its status tells more than this error.
			_ = send(received)
		}
	}()
	return func() { signal.Stop(signals) }
}

// exitStatus is how a process ended, as shells say it.
func exitStatus(state *os.ProcessState) int {
	if status, ok := state.Sys().(unix.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// runOnTerminal joins this process's terminal with one that libcontainer makes in the
// container and sends over a socket.
func runOnTerminal(container *libcontainer.Container, process *libcontainer.Process) (int, error) {
	host, err := console.ConsoleFromFile(os.Stdin)
	if err != nil {
		return 0, errors.New("standard input is not a terminal: leave out --tty")
	}
	if err := host.SetRaw(); err != nil {
		return 0, err
	}
	defer host.Reset()
	parent, child, err := socketPair()
	if err != nil {
		return 0, err
	}
	defer parent.Close()
	process.ConsoleSocket = child
	joined := make(chan error, 1)
	go func() { joined <- joinTerminal(host, parent) }()
	status, err := runToEnd(container, process)
	if err != nil {
		return 0, err
	}
	return status, <-joined
}

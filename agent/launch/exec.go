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
	b, err := readRunning(id)
	if err != nil {
		return 0, err
	}
	container, err := libcontainer.Load(bundle.RuntimeDir, runtimeID(id))
	if err != nil {
		return 0, fmt.Errorf("not running: %w", err)
	}
	process, err := execProcess(container, b, options)
	if err != nil {
		return 0, err
	}
	if options.Terminal {
		return runOnTerminal(container, process)
	}
	process.Stdin, process.Stdout, process.Stderr = os.Stdin, os.Stdout, os.Stderr
	return runToEnd(container, process)
}

// execProcess is the container's own process with other arguments. The user is looked up
// through the container's first process, whose root is the container's.
func execProcess(container *libcontainer.Container, b *bundle.Bundle, options ExecOptions) (*libcontainer.Process, error) {
	state, err := container.State()
	if err != nil {
		return nil, err
	}
	r := &run{Bundle: b, rootfs: fmt.Sprintf("/proc/%d/root", state.InitProcessPid)}
	if options.User != "" {
		r.User = options.User
	}
	for _, step := range []func() error{r.recallEnvironment, r.lookUpUser, r.limitCapabilities} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	spec := r.Spec.Process
	spec.Args = options.Args
	spec.Env = append(spec.Env, options.Env...)
	if options.Terminal {
		spec.Env = append(spec.Env, "TERM="+os.Getenv("TERM"))
	}
	if options.WorkingDir != "" {
		spec.Cwd = options.WorkingDir
	}
	return newProcess(spec), nil
}

func runToEnd(container *libcontainer.Container, process *libcontainer.Process) (int, error) {
	if err := container.Run(process); err != nil {
		return 0, fmt.Errorf("run %q: %w", process.Args[0], err)
	}
	// The process gets the signals this one gets: a terminal sends them to both, a
	// service manager only to this one.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	defer signal.Stop(signals)
	go func() {
		for received := range signals {
			// The process may have ended; its status tells more than this error.
			_ = process.Signal(received)
		}
	}()
	state, err := process.Wait()
	if err != nil && state == nil {
		return 0, err
	}
	if status, ok := state.Sys().(unix.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil // as shells say it
	}
	return state.ExitCode(), nil
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

// readRunning reads the bundle of a running container.
func readRunning(id string) (*bundle.Bundle, error) {
	if !validID.MatchString(id) {
		return nil, fmt.Errorf("%q is not the name of a container", id)
	}
	b, err := readBundle(filepath.Join(bundle.AttachmentsDir, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("not running: see systemctl status %s", id)
	}
	return b, err
}

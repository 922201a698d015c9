package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/signals"
)

// OCI runs plain OCI bundles as the specification says
// (https://github.com/opencontainers/runtime-spec/blob/v1.3.0/runtime.md): neither systemd nor any other part of davit
// is involved. Its containers are separate from those of units.
type OCI struct {
	// Root is the directory of the containers' state.
	Root string
}

// OCIRoot is the usual one.
const OCIRoot = bundle.RunDir + "/oci"

// OCICreate has the options of a create.
type OCICreate struct {
	// Bundle is the bundle's directory.
	Bundle string
	// PidFile is where to write the id of the container's process; empty is nowhere.
	PidFile string
	// ConsoleSocket is the path of a socket to send the container's terminal to.
	ConsoleSocket string
}

// Create makes a container, whose process waits until it is started. Standard input and output
// are this process's own.
func (o OCI) Create(id string, options OCICreate) (err error) {
	pidFile, err := filepath.Abs(options.PidFile)
	if err != nil {
		return err
	}
	spec, err := readPlainBundle(options.Bundle)
	if err != nil {
		return err
	}
	config, err := convert(id, spec)
	if err != nil {
		return err
	}
	poststart := takeHooks(config.Hooks, configs.Poststart)
	process := newProcess(spec.Process)
	process.Init = true
	process.Stdin, process.Stdout, process.Stderr = os.Stdin, os.Stdout, os.Stderr
	if spec.Process.Terminal {
		console, err := connectConsole(options.ConsoleSocket)
		if err != nil {
			return err
		}
		defer console.Close()
		process.Stdin, process.Stdout, process.Stderr, process.ConsoleSocket = nil, nil, nil, console
	}
	container, err := libcontainer.Create(o.Root, id, config)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// No caller learns whether it lives.
			_ = container.Signal(unix.SIGKILL)
			err = errors.Join(err, container.Destroy())
		}
	}()
	if err := container.Start(process); err != nil {
		return err
	}
	if err := setLateLimits(process, spec.Process); err != nil {
		return err
	}
	if err := o.keepHooks(id, poststart); err != nil {
		return err
	}
	if options.PidFile == "" {
		return nil
	}
	pid, err := process.Pid()
	if err != nil {
		return err
	}
	return disk.WriteFile(pidFile, []byte(strconv.Itoa(pid)), 0o644)
}

// readPlainBundle reads and checks a bundle's configuration, and makes it this process's working
// directory, which the root filesystem's path may be relative to.
func readPlainBundle(dir string) (*specs.Spec, error) {
	if err := os.Chdir(dir); err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	text, err := os.ReadFile(bundle.ConfigFile)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", dir, err)
	}
	spec := &specs.Spec{}
	if err := json.Unmarshal(text, spec); err != nil {
		return nil, fmt.Errorf("bundle %s: %s: %w", dir, bundle.ConfigFile, err)
	}
	major, _, _ := strings.Cut(spec.Version, ".")
	switch {
	case major != "1":
		err = fmt.Errorf("ociVersion: %q: want one of 1", spec.Version)
	case spec.Root == nil:
		err = errors.New("root: missing")
	case spec.Linux == nil:
		err = errors.New("linux: missing")
	case spec.Process == nil || len(spec.Process.Args) == 0:
		err = errors.New("process.args: missing")
	case !filepath.IsAbs(spec.Process.Cwd):
		err = fmt.Errorf("process.cwd: %q: want an absolute path", spec.Process.Cwd)
	}
	for i := 0; err == nil && i < len(spec.Process.Rlimits); i++ {
		limits := spec.Process.Rlimits
		if _, known := rlimits[limits[i].Type]; !known {
			err = fmt.Errorf("process.rlimits[%d].type: there is no limit %q", i, limits[i].Type)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %s: %w", dir, bundle.ConfigFile, err)
	}
	return spec, nil
}

func connectConsole(path string) (*os.File, error) {
	if path == "" {
		return nil, errors.New("the container has a terminal: want --console-socket")
	}
	connection, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("console socket: %w", err)
	}
	defer connection.Close()
	return connection.File()
}

// Start unblocks a created container's process.
func (o OCI) Start(id string) error {
	container, state, err := o.load(id)
	if err != nil {
		return err
	}
	if state.Status != specs.StateCreated {
		return fmt.Errorf("start %s: it is %s: want a container that is created", id, state.Status)
	}
	hooks, err := o.keptHooks(id)
	if err != nil {
		return fmt.Errorf("start %s: %w", id, err)
	}
	before := executable(state.Pid)
	if err := container.Exec(); err != nil {
		return fmt.Errorf("start %s: %w", id, err)
	}
	if len(hooks) == 0 {
		return nil
	}
	// The process has been let go and may not have got to execve(2), which hooks come after.
	if err := awaitProgram(state.Pid, before, execPatience); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", id, err), container.Signal(unix.SIGKILL))
	}
	state.Status = specs.StateRunning
	if err := hooks.Run(configs.Poststart, state); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", id, err), container.Signal(unix.SIGKILL))
	}
	return nil
}

// execPatience bounds how long a process that has been let go may take to become its program; its
// own hooks (startContainer) run meanwhile.
const execPatience = time.Minute

// awaitProgram waits until a process runs something else than before, or has ended.
func awaitProgram(pid int, before string, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for before != "" && executable(pid) == before {
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d has not begun to run its program within %s, so no poststart hook may run", pid, limit)
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// executable is the program of a process; empty when it has ended.
func executable(pid int) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return ""
	}
	return path
}

// State is the state of a container.
func (o OCI) State(id string) (*specs.State, error) {
	_, state, err := o.load(id)
	return state, err
}

// Kill sends the container's process a signal, by name or number.
func (o OCI) Kill(id, name string) error {
	signal, err := signals.Parse(name)
	if err != nil {
		return err
	}
	container, state, err := o.load(id)
	if err != nil {
		return err
	}
	if state.Status != specs.StateCreated && state.Status != specs.StateRunning {
		return fmt.Errorf("kill %s: it is %s", id, state.Status)
	}
	return container.Signal(unix.Signal(signal))
}

// Delete removes a stopped container; with force it is killed before, and may not be there at
// all. A hook that fails then changes nothing.
func (o OCI) Delete(id string, force bool) error {
	container, state, err := o.load(id)
	if force && errors.Is(err, libcontainer.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !force && state.Status != specs.StateStopped {
		return fmt.Errorf("delete %s: it is %s: want a container that is stopped", id, state.Status)
	}
	if force {
		if err := stop(container); err != nil {
			return fmt.Errorf("delete %s: %w", id, err)
		}
	}
	poststop := takeHooks(container.Config().Hooks, configs.Poststop)
	if err := container.Destroy(); err != nil {
		return fmt.Errorf("delete %s: %w", id, err)
	}
	state.Status, state.Pid = specs.StateStopped, 0
	for _, hook := range poststop {
		if err := hook.Run(state); err != nil {
			fmt.Fprintf(messages, "davit-run: warning: poststop hook of %s: %v\n", id, err)
		}
	}
	return nil
}

// stopPatience bounds how long a killed container may take to be gone.
const stopPatience = 10 * time.Second

func stop(container *libcontainer.Container) error {
	state, err := container.State()
	if err != nil {
		return err
	}
	fd, err := unix.PidfdOpen(state.InitProcessPid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(fd)
	// libcontainer makes sure that the number is not another process's by now.
	err = container.Signal(unix.SIGKILL)
	if errors.Is(err, libcontainer.ErrNotRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	ended, err := EndsWithin(fd, stopPatience)
	if !ended && err == nil {
		err = errors.New("its process does not end")
	}
	return err
}

func (o OCI) load(id string) (*libcontainer.Container, *specs.State, error) {
	if id == "" {
		return nil, nil, errors.New("want the id of a container")
	}
	container, err := libcontainer.Load(o.Root, id)
	if err != nil {
		return nil, nil, fmt.Errorf("container %s: %w", id, err)
	}
	state, err := container.OCIState()
	if err != nil {
		return nil, nil, fmt.Errorf("container %s: %w", id, err)
	}
	return container, state, nil
}

// libcontainer runs poststart hooks when a container is created, and takes a poststop hook that
// fails for an error; the specification wants neither. So these hooks are run here.
func takeHooks(hooks configs.Hooks, name configs.HookName) configs.HookList {
	taken := hooks[name]
	delete(hooks, name)
	return taken
}

// poststartFile keeps a container's poststart hooks in its directory below the root.
const poststartFile = "poststart.json"

func (o OCI) keepHooks(id string, hooks configs.HookList) error {
	if len(hooks) == 0 {
		return nil
	}
	text, err := json.Marshal(&configs.Hooks{configs.Poststart: hooks})
	if err != nil {
		return err
	}
	return disk.WriteFile(filepath.Join(o.Root, id, poststartFile), text, 0o600)
}

func (o OCI) keptHooks(id string) (configs.Hooks, error) {
	text, err := os.ReadFile(filepath.Join(o.Root, id, poststartFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var hooks configs.Hooks
	err = json.Unmarshal(text, &hooks)
	return hooks, err
}

// EndsWithin waits for the process of a pidfd to end, no longer than the time, and says whether it has.
func EndsWithin(fd int, within time.Duration) (bool, error) {
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

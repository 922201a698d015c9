package runtime

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/launch/program"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// commandRuntime is an OCI runtime of the node, driven by the command line that all of them have
// (https://github.com/opencontainers/runtime-tools/blob/master/docs/command-line-interface.md).
type commandRuntime struct {
	id      string
	program string // absolute
}

// The runtime's bundle and state are in a directory of the container's own, which goes with it.
const (
	commandDir     = "oci"
	commandState   = "state"
	commandPidFile = "pid"
	commandLog     = "log"
	commandConsole = "console"
)

// commandVersion is the oldest version of the OCI specification that has all that davit's
// configurations say. Runtimes refuse versions that came after them.
const commandVersion = "1.0.2"

func (c commandRuntime) dir() string { return record.File(c.id, commandDir) }

// command is a call of the runtime. It runs in the bundle, which keeps the path of the console's
// socket within the 108 bytes that unix(7) allows, and sees nothing of the unit's environment.
func (c commandRuntime) command(args ...string) *exec.Cmd {
	command := exec.Command(c.program, append([]string{"--root", filepath.Join(c.dir(), commandState)}, args...)...)
	command.Dir = c.dir()
	command.Env = program.Environment()
	return command
}

func (c commandRuntime) Create(spec *specs.Spec, out Output) (Created, error) {
	if err := c.writeBundle(spec); err != nil {
		return Created{}, err
	}
	args := []string{"--log", filepath.Join(c.dir(), commandLog), "--log-format", "json", "create", "--bundle", c.dir(), "--pid-file", filepath.Join(c.dir(), commandPidFile)}
	var console *net.UnixListener
	if spec.Process.Terminal {
		var err error
		if console, err = listen(c.dir(), commandConsole); err != nil {
			return Created{}, err
		}
		defer console.Close()
		args = append(args, "--console-socket", commandConsole)
	}
	if len(out.Sockets) > 0 {
		args = append(args, "--preserve-fds", strconv.Itoa(len(out.Sockets)))
	}
	command := c.command(append(args, bundle.RuntimeID(c.id))...)
	command.ExtraFiles = out.Sockets
	command.Stdout, command.Stderr = out.Stdout, out.Stderr
	if err := command.Run(); err != nil {
		return Created{}, c.explain(err)
	}
	return c.created(console)
}

// writeBundle writes a plain OCI bundle.
func (c commandRuntime) writeBundle(spec *specs.Spec) error {
	plain := *spec
	plain.Version = commandVersion
	text, err := json.Marshal(&plain)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(c.dir(), commandState), 0o700); err != nil {
		return err
	}
	return disk.WriteFile(filepath.Join(c.dir(), bundle.ConfigFile), text, 0o600)
}

// created reads the result of the runtime.
func (c commandRuntime) created(console *net.UnixListener) (Created, error) {
	text, err := os.ReadFile(filepath.Join(c.dir(), commandPidFile))
	if err != nil {
		return Created{}, fmt.Errorf("%s create: %w", c.program, err)
	}
	made := Created{Release: c.command("start", bundle.RuntimeID(c.id)).Args}
	if made.Pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil || made.Pid <= 0 {
		return Created{}, fmt.Errorf("%s create: %q is not the id of a process", c.program, text)
	}
	if console != nil {
		if made.Terminal, err = acceptFile(console); err != nil {
			return Created{}, fmt.Errorf("%s create: %w", c.program, err)
		}
	}
	return made, nil
}

// explain takes the error that the runtime wrote last to its log, where it did.
func (c commandRuntime) explain(err error) error {
	text, _ := os.ReadFile(filepath.Join(c.dir(), commandLog)) // without one, the exit status has to do
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	var entry struct {
		Message string `json:"msg"`
	}
	if json.Unmarshal(lines[len(lines)-1], &entry) == nil && entry.Message != "" {
		return fmt.Errorf("%s create: %s", c.program, entry.Message)
	}
	return fmt.Errorf("%s create: %w", c.program, err)
}

func (c commandRuntime) Pid() (int, error) {
	text, err := c.command("state", bundle.RuntimeID(c.id)).Output()
	if err != nil {
		return 0, fmt.Errorf("not running: %s state: %w", c.program, err)
	}
	var state specs.State
	if err := json.Unmarshal(text, &state); err != nil {
		return 0, fmt.Errorf("%s state: %w", c.program, err)
	}
	return runningPid(&state)
}

// exec gives the runtime a terminal of its own, which it joins with the process's.
func (c commandRuntime) Exec(process *specs.Process, with Streams) (Process, *os.File, error) {
	text, err := json.Marshal(process)
	if err != nil {
		return nil, nil, err
	}
	description, err := memoryFile("process.json", text)
	if err != nil {
		return nil, nil, err
	}
	defer description.Close()
	pidFile, err := os.CreateTemp(c.dir(), commandPidFile+"-*")
	if err != nil {
		return nil, nil, err
	}
	pidFile.Close()
	// A child's further files begin with the descriptor 3.
	command := c.command("exec", "--process", "/proc/self/fd/3", "--pid-file", pidFile.Name(), bundle.RuntimeID(c.id))
	command.ExtraFiles = []*os.File{description}
	command.SysProcAttr = &unix.SysProcAttr{Setsid: true} // signals are passed on to it
	if !process.Terminal {
		if with.Stdin != nil {
			command.Stdin = with.Stdin
		}
		command.Stdout, command.Stderr = with.Stdout, with.Stderr
		err := command.Start()
		return commandProcess{command.Process, pidFile.Name()}, nil, err
	}
	outer, inner, err := openTerminal(process.ConsoleSize)
	if err != nil {
		return nil, nil, err
	}
	defer inner.Close()
	command.Stdin, command.Stdout, command.Stderr = inner, inner, inner
	command.SysProcAttr.Setctty = true // it gets a signal when the size changes
	if err := command.Start(); err != nil {
		outer.Close()
		return nil, nil, err
	}
	return commandProcess{command.Process, pidFile.Name()}, outer, nil
}

// commandProcess is a process that a runtime has started in a container: that runtime's own, which
// ends with it and as it does.
type commandProcess struct {
	*os.Process
	pidFile string // empty until the process in the container exists
}

// Signal sends a signal to the process in the container, not to its runtime: that could not forward one that cannot be
// caught.
func (p commandProcess) Signal(signal os.Signal) error {
	text, err := os.ReadFile(p.pidFile)
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return p.Process.Signal(signal)
	}
	return unix.Kill(pid, signal.(unix.Signal))
}

func (p commandProcess) Wait() (*os.ProcessState, error) {
	state, err := p.Process.Wait()
	return state, errors.Join(err, os.Remove(p.pidFile))
}

// remove continues if the runtime is gone or does not know the container: its leftovers are processes in the unit's
// cgroup, which systemd kills, and files in the container's directory.
func (c commandRuntime) Remove() error {
	if _, err := os.Stat(c.dir()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if output, err := c.command("delete", "--force", bundle.RuntimeID(c.id)).CombinedOutput(); err != nil {
		fmt.Fprintf(messages, "davit-run: %s delete: %v: %s\n", c.program, err, bytes.TrimSpace(output))
	}
	return untrusted.RemoveAll(c.dir())
}

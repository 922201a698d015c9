package launch

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
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
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

func (c commandRuntime) dir() string { return ownFile(c.id, commandDir) }

// command is a call of the runtime. It runs in the bundle, which keeps the path of the console's
// socket within the 108 bytes that unix(7) allows, and sees nothing of the unit's environment.
func (c commandRuntime) command(args ...string) *exec.Cmd {
	command := exec.Command(c.program, append([]string{"--root", filepath.Join(c.dir(), commandState)}, args...)...)
	command.Dir = c.dir()
	command.Env = pluginEnvironment(nil)
	return command
}

func (c commandRuntime) create(spec *specs.Spec, out *output) (created, error) {
	if err := c.writeBundle(spec); err != nil {
		return created{}, err
	}
	args := []string{"--log", filepath.Join(c.dir(), commandLog), "--log-format", "json", "create", "--bundle", c.dir(), "--pid-file", filepath.Join(c.dir(), commandPidFile)}
	var console *net.UnixListener
	if spec.Process.Terminal {
		var err error
		if console, err = listen(c.dir(), commandConsole); err != nil {
			return created{}, err
		}
		defer console.Close()
		args = append(args, "--console-socket", commandConsole)
	}
	if len(out.sockets) > 0 {
		args = append(args, "--preserve-fds", strconv.Itoa(len(out.sockets)))
	}
	command := c.command(append(args, bundle.RuntimeID(c.id))...)
	command.ExtraFiles = out.sockets
	command.Stdout, command.Stderr = out.stdout, out.stderr
	if err := command.Run(); err != nil {
		return created{}, c.explain(err)
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

// created reads what the runtime has made.
func (c commandRuntime) created(console *net.UnixListener) (created, error) {
	text, err := os.ReadFile(filepath.Join(c.dir(), commandPidFile))
	if err != nil {
		return created{}, fmt.Errorf("%s create: %w", c.program, err)
	}
	made := created{release: c.command("start", bundle.RuntimeID(c.id)).Args}
	if made.pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil || made.pid <= 0 {
		return created{}, fmt.Errorf("%s create: %q is not the id of a process", c.program, text)
	}
	if console != nil {
		if made.terminal, err = acceptFile(console); err != nil {
			return created{}, fmt.Errorf("%s create: %w", c.program, err)
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

func (c commandRuntime) pid() (int, error) {
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
func (c commandRuntime) exec(process *specs.Process, with streams) (joined, *os.File, error) {
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
		if with.stdin != nil {
			command.Stdin = with.stdin
		}
		command.Stdout, command.Stderr = with.stdout, with.stderr
		err := command.Start()
		return commandProcess{command.Process, pidFile.Name()}, nil, err
	}
	outer, inner, err := openTerminal(process.ConsoleSize)
	if err != nil {
		return nil, nil, err
	}
	defer inner.Close()
	command.Stdin, command.Stdout, command.Stderr = inner, inner, inner
	command.SysProcAttr.Setctty = true // it is told of changes of size
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
	pidFile string // empty until the other one is there
}

// Signal sends a signal to the process in the container: of one that cannot be caught, its runtime
// could tell it nothing.
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

// openTerminal makes a pseudoterminal (pts(4)).
func openTerminal(size *specs.Box) (outer, inner *os.File, err error) {
	outer, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	number, err := unix.IoctlGetInt(int(outer.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(outer.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(outer.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(size.Height), Col: uint16(size.Width)})
	}
	if err == nil {
		inner, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		return nil, nil, errors.Join(err, outer.Close())
	}
	return outer, inner, nil
}

// remove goes on when the runtime has gone or does not know the container: what is left of it are
// processes in the unit's cgroup, which systemd empties, and files in the container's directory.
func (c commandRuntime) remove() error {
	if _, err := os.Stat(c.dir()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if output, err := c.command("delete", "--force", bundle.RuntimeID(c.id)).CombinedOutput(); err != nil {
		fmt.Fprintf(messages, "davit-run: %s delete: %v: %s\n", c.program, err, bytes.TrimSpace(output))
	}
	return untrusted.RemoveAll(c.dir())
}

// listen makes a socket in a directory whose path may be too long for a socket's.
func listen(dir, name string) (*net.UnixListener, error) {
	if err := os.Chdir(dir); err != nil {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // the name means another file elsewhere
	return listener, os.Chdir("/")
}

// consolePatience bounds how long a runtime that has ended may take to have sent its terminal.
const consolePatience = 5 * time.Second

// acceptFile takes the one file descriptor that the first who connects sends.
func acceptFile(listener *net.UnixListener) (*os.File, error) {
	if err := listener.SetDeadline(time.Now().Add(consolePatience)); err != nil {
		return nil, err
	}
	connection, err := listener.AcceptUnix()
	if err != nil {
		return nil, fmt.Errorf("take the terminal: %w", err)
	}
	defer connection.Close()
	socket, err := connection.File()
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	return receiveFile(socket)
}

// memoryFile is a file that lies nowhere, with this content.
func memoryFile(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), name)
	if _, err := file.Write(content); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

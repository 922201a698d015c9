package exec

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/moby/term"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/runtime"
	"github.com/davit-project/davit/agent/launch/stdio"
)

// errDetached says that a person left a terminal of a container with the detach keys.
var errDetached = errors.New("detached")

// DetachKeys reads a sequence of keys, such as "ctrl-p,ctrl-q"; an empty one is none.
func DetachKeys(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	return term.ToBytes(text)
}

// runOnTerminal runs a process on a terminal that its runtime makes, joined with this process's.
func runOnTerminal(container runtime.Container, process *specs.Process, options Options) (int, error) {
	host, err := openHost(options.Interactive)
	if err != nil {
		return 0, err
	}
	defer host.restore()
	size := host.size()
	process.ConsoleSize = &specs.Box{Width: uint(size.Col), Height: uint(size.Row)}
	running, terminal, err := start(container, process, runtime.Streams{})
	if err != nil {
		return 0, err
	}
	defer terminal.Close()
	output := make(chan error, 1)
	go func() { output <- copyTerminal(terminal) }()
	select {
	case <-running.ended:
	case err := <-host.join(terminal, options.DetachKeys):
		if !errors.Is(err, errDetached) {
			return 0, err
		}
		return 0, keepTerminal(container, terminal)
	}
	// Processes that were left behind may keep the terminal open.
	select {
	case err = <-output:
	case <-time.After(lastWords):
	}
	return running.status, errors.Join(running.err, err)
}

// lastWords bounds the wait for the last output of a process on its terminal.
const lastWords = time.Second

// copyTerminal copies the output of a terminal until its other side is closed.
func copyTerminal(from io.Reader) error {
	_, err := io.Copy(os.Stdout, from)
	if errors.Is(err, unix.EIO) {
		return nil // pty(7): the last process with the other side open has closed it
	}
	return err
}

// keepTerminal leaves a process behind that reads from a terminal, which would hang up without
// one. It belongs to the container and ends with the terminal, or with the container.
func keepTerminal(container runtime.Container, terminal *os.File) error {
	pid, err := container.Pid()
	if err != nil {
		return err
	}
	cgroup, err := runtime.GroupOf(pid)
	if err != nil {
		return err
	}
	group, err := os.Open(filepath.Join(runtime.GroupRoot, cgroup))
	if err != nil {
		return err
	}
	defer group.Close()
	keeper := exec.Command("/proc/self/exe", "drain")
	keeper.Args[0] = "davit-run"
	keeper.Env = []string{}
	keeper.Dir = "/"
	keeper.Stdin = terminal
	keeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: int(group.Fd())}
	if err := keeper.Start(); err != nil {
		return fmt.Errorf("keep the terminal open: %w", err)
	}
	return nil
}

// host is this process's side of a joined terminal: its standard input and output.
type host struct {
	interactive bool
	before      *term.State
}

// openHost makes the terminal pass on every key. Without interactive there is nothing to pass
// on, and standard output may be anything.
func openHost(interactive bool) (*host, error) {
	h := &host{interactive: interactive}
	if !interactive {
		return h, nil
	}
	if !term.IsTerminal(os.Stdin.Fd()) {
		return nil, errors.New("standard input is not a terminal: leave out --tty")
	}
	var err error
	h.before, err = term.MakeRaw(os.Stdin.Fd())
	return h, err
}

// addReturns has the terminal itself turn line feeds into new lines: that of a container's main
// process does not, because the journal wants none.
func (h *host) addReturns() error {
	state, err := unix.IoctlGetTermios(int(os.Stdin.Fd()), unix.TCGETS)
	if err != nil {
		return os.NewSyscallError("ioctl TCGETS", err)
	}
	state.Oflag |= unix.OPOST | unix.ONLCR
	return os.NewSyscallError("ioctl TCSETS", unix.IoctlSetTermios(int(os.Stdin.Fd()), unix.TCSETS, state))
}

// restore leaves the terminal as it was.
func (h *host) restore() {
	if h.before != nil {
		// No caller is left for the error.
		_ = term.RestoreTerminal(os.Stdin.Fd(), h.before)
	}
}

// size returns the size of the terminal, or a default without one.
func (h *host) size() unix.Winsize {
	for _, file := range []*os.File{os.Stdin, os.Stdout} {
		if size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ); err == nil && size.Row > 0 && size.Col > 0 {
			return *size
		}
	}
	return unix.Winsize{Row: stdio.Height, Col: stdio.Width}
}

// join passes keys and changes of size on to a terminal of a container, as long as this process lives: a read from a
// terminal cannot be cancelled. The returned channel reports the detach keys.
func (h *host) join(inside *os.File, detachKeys []byte) <-chan error {
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	// The size may have changed before the signal was handled.
	h.resize(inside)
	go func() {
		for range resized {
			h.resize(inside)
		}
	}()
	left := make(chan error, 1)
	if !h.interactive {
		return left
	}
	go func() {
		_, err := io.Copy(inside, term.NewEscapeProxy(os.Stdin, detachKeys))
		if errors.As(err, new(term.EscapeError)) {
			left <- errDetached
		}
		// Any other end is that of the terminal inside, which is detected there, or of this one, which a signal
		// reports.
	}()
	return left
}

func (h *host) resize(inside *os.File) {
	size := h.size()
	// The terminal inside may be gone already.
	_ = unix.IoctlSetWinsize(int(inside.Fd()), unix.TIOCSWINSZ, &size)
}

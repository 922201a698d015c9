package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/console"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// output is where a container's standard output goes when that is not the journal's own
// socket.
type output struct {
	stdout, stderr *os.File // the container's, where it has no terminal
	inside         *os.File // the container's side, for this process to close, or nil
	copied                  // what the unit's first process is to copy

	sockets []*os.File // what the container gets beside it, from firstSocket on
}

// copied is what the unit's first process copies to the journal, and a socket for those who want
// to follow it; nil where there is none.
type copied struct {
	from, listener *os.File
}

// openOutput opens the container's standard output and error.
func (r *run) openOutput() (*output, error) {
	var err error
	o := &output{stdout: os.Stdout, stderr: os.Stderr, sockets: r.sockets}
	switch {
	case r.Spec.Process.Terminal:
		r.Spec.Process.ConsoleSize = &specs.Box{Width: terminalWidth, Height: terminalHeight}
	case r.Output == bundle.OutputPipe, r.Output == "" && r.opensOutput != "":
		o.from, o.inside, err = outputPipe()
		o.stdout, o.stderr = o.inside, o.inside
	case r.Output == bundle.OutputNone:
		o.inside, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		o.stdout, o.stderr = o.inside, o.inside
	}
	if err != nil {
		return nil, fmt.Errorf("open standard output: %w", err)
	}
	return o, nil
}

// outputPipe makes a pipe that every user of a container may open by name, as Podman's: the program may open it after it has
// given up root (https://github.com/moby/moby/issues/31243).
func outputPipe() (from, inside *os.File, err error) {
	if from, inside, err = os.Pipe(); err != nil {
		return nil, nil, err
	}
	if err := inside.Chmod(0o666); err != nil {
		return nil, nil, errors.Join(err, from.Close(), inside.Close())
	}
	return from, inside, nil
}

// The size of a terminal that nobody looks at: programs fold their lines at it.
const terminalWidth, terminalHeight = 80, 24

// started closes the container's side and returns what is to be copied.
func (o *output) started(id string, terminal *os.File) (copied, error) {
	if o.inside != nil {
		o.inside.Close()
	}
	if terminal == nil {
		return o.copied, nil
	}
	o.from = terminal
	var err error
	// The journal wants lines without carriage returns.
	if err := console.ClearONLCR(o.from.Fd()); err != nil {
		return copied{}, fmt.Errorf("set up the terminal: %w", err)
	}
	if o.listener, err = listenAttach(id); err != nil {
		return copied{}, fmt.Errorf("make a socket to attach to: %w", err)
	}
	return o.copied, nil
}

// copierFile names the process that copies a container's output.
const copierFile = "copier"

// recordCopier notes that the unit's first process stays to copy the output.
func recordCopier(id string) error {
	return os.WriteFile(ownFile(id, copierFile), []byte(strconv.Itoa(os.Getppid())), 0o600)
}

// copierPatience bounds how long a stop waits for the last lines.
const copierPatience = 5 * time.Second

// awaitCopier waits until what the container has written last is in the journal: systemd kills
// what is left of the unit once the clean-up has ended.
func awaitCopier(id string) error {
	text, err := os.ReadFile(ownFile(id, copierFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		return fmt.Errorf("read %s: %w", copierFile, err)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil // gone
	}
	defer unix.Close(fd)
	// The number may be another process's by now.
	if cgroup, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid)); err != nil || !strings.Contains(string(cgroup), names.Service(id)) {
		return nil
	}
	_, err = endsWithin(fd, copierPatience)
	return err
}

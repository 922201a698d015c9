// Package stdio has where the standard output of a container goes: to the journal's socket, or through a pipe or a
// terminal that the unit's first process copies to it.
//
// It opens them, and waits for their last lines. The process that copies has no Go runtime: copier.c of agent/launch/handover.
package stdio

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

	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/launch/runtime"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// Output is the standard output of a container, while that is created.
type Output struct {
	runtime.Output
	inside *os.File // the container's side, for this process to close, or nil
	copied Copied
}

// Copied is the output that the unit's first process copies to the journal, and a socket for clients that follow it; nil if
// there is none.
type Copied struct {
	From, Listener *os.File
}

// Open opens a container's standard output and error. It inherits the sockets too. openedByName is the
// result of [OpenedByName].
func Open(b *bundle.Bundle, sockets []*os.File, openedByName string) (*Output, error) {
	var err error
	o := &Output{Output: runtime.Output{Stdout: os.Stdout, Stderr: os.Stderr, Sockets: sockets}}
	switch {
	case b.Spec.Process.Terminal:
		b.Spec.Process.ConsoleSize = &specs.Box{Width: Width, Height: Height}
	case b.Output == bundle.OutputPipe, b.Output == "" && openedByName != "":
		o.copied.From, o.inside, err = Pipe()
		o.Stdout, o.Stderr = o.inside, o.inside
	case b.Output == bundle.OutputNone:
		o.inside, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		o.Stdout, o.Stderr = o.inside, o.inside
	}
	if err != nil {
		return nil, fmt.Errorf("open standard output: %w", err)
	}
	return o, nil
}

// Pipe makes a pipe that every user of a container may open by name, as Podman's: the program may open it after it has
// given up root (https://github.com/moby/moby/issues/31243).
func Pipe() (from, inside *os.File, err error) {
	if from, inside, err = os.Pipe(); err != nil {
		return nil, nil, err
	}
	if err := inside.Chmod(0o666); err != nil {
		return nil, nil, errors.Join(err, from.Close(), inside.Close())
	}
	return from, inside, nil
}

// Width and Height are the size of a terminal that no person looks at: programs fold their lines at it.
const Width, Height = 80, 24

// Created closes the container's side and returns the files to be copied, once the container has been created. terminal is
// its terminal, or nil.
func (o *Output) Created(id string, terminal *os.File) (Copied, error) {
	if o.inside != nil {
		o.inside.Close()
	}
	if terminal == nil {
		return o.copied, nil
	}
	o.copied.From = terminal
	var err error
	// The journal wants lines without carriage returns.
	if err := console.ClearONLCR(terminal.Fd()); err != nil {
		return Copied{}, fmt.Errorf("set up the terminal: %w", err)
	}
	if o.copied.Listener, err = listenAttach(id); err != nil {
		return Copied{}, fmt.Errorf("make a socket to attach to: %w", err)
	}
	return o.copied, nil
}

// copierFile names the process that copies a container's output.
const copierFile = "copier"

// Record notes that the unit's first process stays to copy the output, if there is something to copy.
func (c Copied) Record(id string) error {
	if c.From == nil {
		return nil
	}
	return os.WriteFile(record.File(id, copierFile), []byte(strconv.Itoa(os.Getppid())), 0o600)
}

// copierPatience bounds how long a stop waits for the last lines.
const copierPatience = 5 * time.Second

// AwaitCopier waits until the container's last output is in the journal: systemd kills
// the remaining processes of the unit once the clean-up has ended.
func AwaitCopier(id string) error {
	text, err := os.ReadFile(record.File(id, copierFile))
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
	_, err = runtime.EndsWithin(fd, copierPatience)
	return err
}

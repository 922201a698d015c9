// Package runtime makes containers of complete OCI configurations: with libcontainer, in this process, or with another
// OCI runtime of the node, as a command. With [OCI] it is itself a runtime for plain bundles.
//
// It knows OCI configurations and control groups. It knows nothing of the parts that complete a configuration: images, volumes,
// networks, users.
package runtime

import (
	"errors"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/terminal"
	"github.com/davit-project/davit/units/bundle"
)

// messages is the writer for warnings. They contain names of containers and answers of runtimes.
var messages = terminal.NewWriter(os.Stderr)

// Container is a container in the hands of its runtime.
type Container interface {
	// Create makes the container. Its first process is ready to become the user's program and
	// waits.
	Create(spec *specs.Spec, out Output) (Created, error)
	// Pid is the id of its first process; an error means that it does not run.
	Pid() (int, error)
	// Exec starts another process in it, on these streams or on a terminal, whose outer side it
	// returns then.
	Exec(process *specs.Process, with Streams) (Process, *os.File, error)
	// Remove kills its processes, and removes the runtime's record of it. It is safe to
	// repeat.
	Remove() error
}

// Output has the destination of a container's standard output, and the sockets that its first process inherits.
type Output struct {
	// Stdout and Stderr are used if the container has no terminal.
	Stdout, Stderr *os.File
	// Sockets are handed to the process, from descriptor 3 on.
	Sockets []*os.File
}

// Created is a container whose first process waits.
type Created struct {
	Pid int
	// Release is the path of a FIFO to read from, or a command to run, for the process to go on.
	Release []string
	// Limits are to be set once the process runs the user's program, in the form of handover.c.
	Limits string
	// Terminal is the outer side of the container's terminal; nil if it has none.
	Terminal *os.File
}

// Streams are standard streams; without Stdin there is nothing to read.
type Streams struct{ Stdin, Stdout, Stderr *os.File }

// Process is a process that has joined a container.
type Process interface {
	Signal(os.Signal) error
	Wait() (*os.ProcessState, error)
}

// Of is the container of a bundle, with the runtime that the bundle asks for.
func Of(b *bundle.Bundle) Container {
	if b.Runtime == "" {
		return libcontainerRuntime{id: b.ID}
	}
	return commandRuntime{id: b.ID, program: b.Runtime}
}

// runningPid is the first process of a container in this state.
func runningPid(state *specs.State) (int, error) {
	if state.Pid == 0 || state.Status == specs.StateStopped {
		return 0, errors.New("not running")
	}
	return state.Pid, nil
}

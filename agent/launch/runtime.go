package launch

import (
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/cgroup"
	"github.com/davit-project/davit/units/bundle"
)

// ociRuntime makes a container out of a complete OCI configuration: libcontainer does, in this
// process, or another runtime of the node, as a command.
type ociRuntime interface {
	// create makes the container. Its first process is ready to become the user's program and
	// waits.
	create(spec *specs.Spec, out *output) (created, error)
	// pid is the id of its first process; an error says that it does not run.
	pid() (int, error)
	// exec starts another process in it, on these streams or on a terminal, whose outer side it
	// returns then.
	exec(process *specs.Process, with streams) (joined, *os.File, error)
	// remove kills what runs in it, and removes what the runtime knows of it. It is safe to
	// repeat.
	remove() error
}

// created is a container whose first process waits.
type created struct {
	pid int
	// release is the path of a FIFO to read from, or a command to run, for the process to go on.
	release []string
	// limits are to be set once the process runs the user's program, in the form of handover.c.
	limits string
	// terminal is the outer side of the container's terminal; nil when it has none.
	terminal *os.File
}

// streams are standard streams; without stdin there is nothing to read.
type streams struct{ stdin, stdout, stderr *os.File }

// joined is a process that has joined a container.
type joined interface {
	Signal(os.Signal) error
	Wait() (*os.ProcessState, error)
}

// runtimeOf is the runtime that a bundle asks for.
func runtimeOf(b *bundle.Bundle) ociRuntime {
	if b.Runtime == "" {
		return libcontainerRuntime{id: b.ID}
	}
	return commandRuntime{id: b.ID, program: b.Runtime}
}

// createProcess creates the container and returns its waiting first process, and its output where
// that is to be copied.
func (r *run) createProcess() (created, copied, error) {
	if err := r.completeSpec(); err != nil {
		return created{}, copied{}, err
	}
	out, err := r.openOutput()
	if err != nil {
		return created{}, copied{}, err
	}
	container, err := runtimeOf(r.Bundle).create(r.Spec, out)
	if err != nil {
		return created{}, copied{}, fmt.Errorf("run %q of image %s: %w", r.Spec.Process.Args[0], r.Image.Reference, denied(err, r.Spec))
	}
	// The process waits: its program will find the limits when it looks for them.
	if err := cgroup.CopyLimits(r.cgroup); err != nil {
		return created{}, copied{}, err
	}
	output, err := out.started(r.ID, container.terminal)
	return container, output, err
}

// completeSpec completes the bundle's OCI configuration with what exists only now.
func (r *run) completeSpec() error {
	spec := r.Spec
	spec.Root.Path = r.rootfs
	spec.Linux.CgroupsPath = r.cgroup + "/" + bundle.PayloadGroup
	// Runtimes make systemd properties and more of some annotations; the image and the manifest
	// must have no way to set those.
	spec.Annotations = nil
	for i, mount := range spec.Mounts {
		err := r.fill(mount.Source, mount.Destination)
		if err != nil {
			return at(bundle.StageVolume, err)
		}
		source, err := r.mountSource(mount.Source)
		if err != nil {
			return at(bundle.StageVolume, err)
		}
		spec.Mounts[i].Source = source
	}
	for i, namespace := range spec.Linux.Namespaces {
		switch {
		case namespace.Type == specs.NetworkNamespace && r.Sandbox == "":
			spec.Linux.Namespaces[i].Path = r.netns
		case namespace.Type == specs.UserNamespace:
			spec.Linux.Namespaces[i].Path = descriptorPath(r.users)
		}
	}
	if err := r.maskThrottling(); err != nil {
		return err
	}
	// First, so that a mount of the manifest's at the same place wins.
	spec.Mounts = append(r.fileMounts(), spec.Mounts...)
	return nil
}

// runningPid is the first process of a container in this state.
func runningPid(state *specs.State) (int, error) {
	if state.Pid == 0 || state.Status == specs.StateStopped {
		return 0, errors.New("not running")
	}
	return state.Pid, nil
}

package start

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/cgroup"
	"github.com/davit-project/davit/agent/launch/confine"
	"github.com/davit-project/davit/agent/launch/handover"
	"github.com/davit-project/davit/agent/launch/program"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/launch/runtime"
	"github.com/davit-project/davit/agent/launch/stdio"
	"github.com/davit-project/davit/units/bundle"
)

// create creates the container, whose first process waits, and returns the parts of its output to be copied.
func create(p parts, inherited inherited) (runtime.Created, stdio.Copied, error) {
	b := p.run.Bundle
	if err := completeSpec(p); err != nil {
		return runtime.Created{}, stdio.Copied{}, err
	}
	out, err := stdio.Open(b, p.sockets, inherited.openedByName)
	if err != nil {
		return runtime.Created{}, stdio.Copied{}, err
	}
	container, err := runtime.Of(b).Create(b.Spec, out.Output)
	if err != nil {
		return runtime.Created{}, stdio.Copied{}, fmt.Errorf("run %q of image %s: %w", b.Spec.Process.Args[0], b.Image.Reference, program.Denied(err, b.Spec))
	}
	// The process waits: its program will find the limits when it looks for them.
	if err := cgroup.CopyLimits(p.group.Path); err != nil {
		return runtime.Created{}, stdio.Copied{}, err
	}
	output, err := out.Created(b.ID, container.Terminal)
	return container, output, err
}

// completeSpec completes the bundle's OCI configuration with the paths of this start.
func completeSpec(p parts) error {
	spec := p.run.Spec
	spec.Root.Path = p.root.Path
	spec.Linux.CgroupsPath = p.group.Payload()
	// Runtimes make systemd properties and more of some annotations; the image and the manifest
	// must have no way to set those.
	spec.Annotations = nil
	if err := p.root.CompleteMounts(); err != nil {
		return record.At(bundle.StageVolume, err)
	}
	for i, namespace := range spec.Linux.Namespaces {
		switch {
		case namespace.Type == specs.NetworkNamespace && p.run.Sandbox == "":
			spec.Linux.Namespaces[i].Path = p.network.Path
		case namespace.Type == specs.UserNamespace:
			spec.Linux.Namespaces[i].Path = p.set.Users.Path()
		}
	}
	return confine.MaskThrottling(spec)
}

// handOver gives the created container to the process that systemd started. The container's group exists now, and all
// that the clean-up waits for or preserves is recorded before the process runs.
func handOver(p parts, container runtime.Created, output stdio.Copied, notify *os.File) error {
	b := p.run.Bundle
	if err := confine.ForbidLingering(filepath.Join(runtime.GroupRoot, p.group.Payload())); err != nil {
		return err
	}
	if err := output.Record(b.ID); err != nil {
		return err
	}
	kept, err := p.network.Keep(b)
	if err != nil {
		return err
	}
	return handover.Container{
		PID: container.Pid, Release: container.Release, Limits: container.Limits,
		Output: output.From, Attach: output.Listener, Notify: notify, Network: kept,
	}.Send(b)
}

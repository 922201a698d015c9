package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	// The init function of nsenter is what makes a child of this program the container's
	// first process; devices adds device rules to libcontainer's cgroup manager.
	_ "github.com/opencontainers/cgroups/devices"
	_ "github.com/opencontainers/runc/libcontainer/nsenter"

	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runc/libcontainer/specconv"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/cgroup"
	"github.com/davit-project/davit/units/bundle"
)

// Init is the entry point of the container's first process before it becomes the
// user's program. It must run before anything else in the program has had an effect,
// and does not return.
func Init() { libcontainer.Init() }

// createProcess creates the container and returns the id of its first process, which is
// ready to become the user's program and waits, and its output where that is to be copied.
func (r *run) createProcess() (int, copied, error) {
	config, err := r.config()
	if err != nil {
		return 0, copied{}, err
	}
	container, err := libcontainer.Create(bundle.RuntimeDir, runtimeID(r.ID), config)
	if err != nil {
		return 0, copied{}, fmt.Errorf("create container: %w", err)
	}
	process := newProcess(r.Spec.Process)
	process.Init, process.ExtraFiles = true, r.sockets
	out, err := r.openOutput(process)
	if err != nil {
		return 0, copied{}, err
	}
	if err := container.Start(process); err != nil {
		// It comes from another process, as text.
		if strings.Contains(err.Error(), "MOUNT_ATTR_IDMAP") {
			err = fmt.Errorf("%w: hostUsers: false needs volumes on file systems that can map owners, and Linux 5.19", err)
		}
		return 0, copied{}, fmt.Errorf("run %q of image %s: %w", r.Spec.Process.Args[0], r.Image.Reference, err)
	}
	// The process waits: its program will find the limits when it looks for them.
	if err := cgroup.CopyLimits(r.cgroup); err != nil {
		return 0, copied{}, err
	}
	pid, err := process.Pid()
	if err != nil {
		return 0, copied{}, err
	}
	output, err := out.started(r.ID)
	return pid, output, err
}

// runtimeID is the id for libcontainer and CNI, which know no @. No object's name has a dot.
func runtimeID(id string) string { return strings.ReplaceAll(id, "@", ".") }

// config turns the bundle's OCI configuration, completed with what exists only now, into
// libcontainer's.
func (r *run) config() (*configs.Config, error) {
	spec := r.Spec
	spec.Root.Path = r.rootfs
	spec.Linux.CgroupsPath = r.cgroup + "/" + bundle.PayloadGroup
	// specconv makes systemd properties of some annotations; the image and the manifest
	// must have no way to set those.
	spec.Annotations = nil
	for i, mount := range spec.Mounts {
		source, err := r.mountSource(mount.Source)
		if err != nil {
			return nil, err
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
		return nil, err
	}
	// First, so that a mount of the manifest's at the same place wins.
	spec.Mounts = append(r.fileMounts(), spec.Mounts...)
	config, err := specconv.CreateLibcontainerConfig(&specconv.CreateOpts{CgroupName: runtimeID(r.ID), Spec: spec})
	if err != nil {
		return nil, fmt.Errorf("container configuration: %w", err)
	}
	return config, nil
}

func newProcess(spec *specs.Process) *libcontainer.Process {
	process := &libcontainer.Process{
		Args:            spec.Args,
		Env:             spec.Env,
		UID:             int(spec.User.UID),
		GID:             int(spec.User.GID),
		Cwd:             spec.Cwd,
		NoNewPrivileges: &spec.NoNewPrivileges,
	}
	for _, limit := range spec.Rlimits {
		process.Rlimits = append(process.Rlimits, configs.Rlimit{Type: rlimits[limit.Type], Soft: limit.Soft, Hard: limit.Hard})
	}
	for _, gid := range spec.User.AdditionalGids {
		process.AdditionalGroups = append(process.AdditionalGroups, int(gid))
	}
	if c := spec.Capabilities; c != nil {
		process.Capabilities = &configs.Capabilities{
			Bounding: c.Bounding, Effective: c.Effective, Permitted: c.Permitted,
		}
	}
	return process
}

// rlimits are the numbers of setrlimit(2)'s limits.
var rlimits = map[string]int{
	"RLIMIT_AS": unix.RLIMIT_AS, "RLIMIT_CORE": unix.RLIMIT_CORE, "RLIMIT_CPU": unix.RLIMIT_CPU,
	"RLIMIT_DATA": unix.RLIMIT_DATA, "RLIMIT_FSIZE": unix.RLIMIT_FSIZE, "RLIMIT_LOCKS": unix.RLIMIT_LOCKS,
	"RLIMIT_MEMLOCK": unix.RLIMIT_MEMLOCK, "RLIMIT_MSGQUEUE": unix.RLIMIT_MSGQUEUE, "RLIMIT_NICE": unix.RLIMIT_NICE,
	"RLIMIT_NOFILE": unix.RLIMIT_NOFILE, "RLIMIT_NPROC": unix.RLIMIT_NPROC, "RLIMIT_RSS": unix.RLIMIT_RSS,
	"RLIMIT_RTPRIO": unix.RLIMIT_RTPRIO, "RLIMIT_RTTIME": unix.RLIMIT_RTTIME,
	"RLIMIT_SIGPENDING": unix.RLIMIT_SIGPENDING, "RLIMIT_STACK": unix.RLIMIT_STACK,
}

// destroy removes libcontainer's container of this id and kills what still runs in it.
// One whose state cannot be read, or was not written yet when its launcher was killed, is
// removed by hand: its processes are in the unit's cgroup, which systemd empties.
func destroy(id string) error {
	container, err := libcontainer.Load(bundle.RuntimeDir, runtimeID(id))
	if err != nil {
		return os.RemoveAll(filepath.Join(bundle.RuntimeDir, runtimeID(id)))
	}
	if err := container.Signal(unix.SIGKILL); err != nil && !errors.Is(err, libcontainer.ErrNotRunning) {
		return fmt.Errorf("kill container: %w", err)
	}
	if err := container.Destroy(); err != nil {
		return fmt.Errorf("destroy container: %w", err)
	}
	return nil
}

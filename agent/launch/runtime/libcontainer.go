package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	// The init function of nsenter makes a child of this program the container's
	// first process; devices adds device rules to libcontainer's cgroup manager.
	_ "github.com/opencontainers/cgroups/devices"
	_ "github.com/opencontainers/runc/libcontainer/nsenter"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runc/libcontainer/specconv"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/cgroup"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// Init is the entry point of the container's first process before it becomes the
// user's program. It must run before anything else in the program has had an effect,
// and does not return.
func Init() { libcontainer.Init() }

// libcontainerRuntime is davit's own runtime.
type libcontainerRuntime struct{ id string }

func (l libcontainerRuntime) Create(spec *specs.Spec, out Output) (Created, error) {
	config, err := convert(bundle.RuntimeID(l.id), spec)
	if err == nil && spec.Hooks != nil {
		err = l.showBundle(config, spec)
	}
	if err != nil {
		return Created{}, err
	}
	container, err := libcontainer.Create(bundle.RuntimeDir, bundle.RuntimeID(l.id), config)
	if err != nil {
		return Created{}, fmt.Errorf("create container: %w", err)
	}
	process := newProcess(spec.Process)
	process.Init, process.ExtraFiles = true, out.Sockets
	var outer *os.File
	if spec.Process.Terminal {
		var inner *os.File
		if outer, inner, err = socketPair(); err != nil {
			return Created{}, err
		}
		defer outer.Close()
		defer inner.Close()
		process.ConsoleSocket = inner
	} else {
		process.Stdout, process.Stderr = out.Stdout, out.Stderr
	}
	if err := container.Start(process); err != nil {
		// It comes from another process, as text.
		if strings.Contains(err.Error(), "MOUNT_ATTR_IDMAP") {
			err = fmt.Errorf("%w: hostUsers: false needs volumes on file systems that can map owners, and Linux 5.19", err)
		}
		return Created{}, err
	}
	made := Created{Release: []string{bundle.WaitFIFO(l.id)}, Limits: limitsText(lateLimits(spec.Process))}
	if made.Pid, err = process.Pid(); err != nil || outer == nil {
		return made, err
	}
	made.Terminal, err = ReceiveFile(outer)
	return made, err
}

// bundleLabel begins the label that says which bundle hooks find in the container's state (libcontainer/utils.Annotations).
const bundleLabel = "bundle="

// showBundle writes the complete configuration where hooks look for it: they find the root file system by it
// (https://github.com/opencontainers/runtime-spec/blob/v1.3.0/runtime.md#state).
func (l libcontainerRuntime) showBundle(config *configs.Config, spec *specs.Spec) error {
	shown := commandRuntime{id: l.id}
	config.Labels = slices.DeleteFunc(config.Labels, func(label string) bool { return strings.HasPrefix(label, bundleLabel) })
	config.Labels = append(config.Labels, bundleLabel+shown.dir())
	return shown.writeBundle(spec)
}

func (l libcontainerRuntime) Pid() (int, error) {
	container, err := l.load()
	if err != nil {
		return 0, err
	}
	state, err := container.OCIState()
	if err != nil {
		return 0, err
	}
	return runningPid(state)
}

func (l libcontainerRuntime) load() (*libcontainer.Container, error) {
	container, err := libcontainer.Load(bundle.RuntimeDir, bundle.RuntimeID(l.id))
	if err != nil {
		return nil, fmt.Errorf("not running: %w", err)
	}
	return container, nil
}

func (l libcontainerRuntime) Exec(spec *specs.Process, with Streams) (Process, *os.File, error) {
	container, err := l.load()
	if err != nil {
		return nil, nil, err
	}
	process := newProcess(spec)
	if !spec.Terminal {
		process.Stdout, process.Stderr = with.Stdout, with.Stderr
		if with.Stdin != nil {
			process.Stdin = with.Stdin
		}
		return process, nil, runLimited(container, process, spec)
	}
	outer, inner, err := socketPair()
	if err != nil {
		return nil, nil, err
	}
	defer outer.Close()
	process.ConsoleSocket = inner
	err = runLimited(container, process, spec)
	inner.Close()
	if err != nil {
		return nil, nil, err
	}
	terminal, err := ReceiveFile(outer)
	return process, terminal, err
}

// stateFile is the name of libcontainer's file of a container's state (stateFilename of runc's libcontainer).
const stateFile = "state.json"

// remove kills all processes in the container's group, also those that have not become the container yet, and removes
// the container's state. It replaces libcontainer's removal, which reads all of the state first: that takes longer than
// the rest, and a launcher that was killed may not have written it.
func (l libcontainerRuntime) Remove() error {
	dir := filepath.Join(bundle.RuntimeDir, bundle.RuntimeID(l.id))
	if group := l.group(filepath.Join(dir, stateFile)); group != "" {
		err := cgroup.Kill(group, killPatience)
		if errors.Is(err, cgroup.ErrAlive) {
			return ErrStillRuns
		}
		if err != nil {
			return err
		}
		if err := cgroups.RemovePath(filepath.Join(GroupRoot, group)); err != nil {
			return fmt.Errorf("remove the container's control group: %w", err)
		}
	}
	return untrusted.RemoveAll(dir)
}

// group is the container's control group: as its state has it, or else below that of the unit which
// this process is in, where it is in one.
func (l libcontainerRuntime) group(stateFile string) string {
	var state struct {
		Config struct{ Cgroups struct{ Path string } }
	}
	text, err := os.ReadFile(stateFile)
	if err == nil && json.Unmarshal(text, &state) == nil && state.Config.Cgroups.Path != "" {
		return state.Config.Cgroups.Path
	}
	if unit, err := UnitGroup(l.id); err == nil {
		return unit.Payload()
	}
	return ""
}

// killPatience is how long processes may take to end that were killed.
const killPatience = 2 * time.Second

// ErrStillRuns is returned if SIGKILL has no effect as a process waits in the kernel, for a disk or a server that does
// not answer.
var ErrStillRuns = errors.New("a process of an earlier run cannot be killed: it waits for a disk or a server that does not answer")

// convert turns an OCI configuration into libcontainer's.
func convert(name string, spec *specs.Spec) (*configs.Config, error) {
	config, err := specconv.CreateLibcontainerConfig(&specconv.CreateOpts{CgroupName: name, Spec: spec})
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
		AppArmorProfile: spec.ApparmorProfile,
		Label:           spec.SelinuxLabel,
	}
	if size := spec.ConsoleSize; size != nil {
		process.ConsoleWidth, process.ConsoleHeight = uint16(size.Width), uint16(size.Height)
	}
	late := lateLimits(spec)
	for _, limit := range spec.Rlimits {
		if !slices.Contains(late, limit) {
			process.Rlimits = append(process.Rlimits, configs.Rlimit{Type: rlimits[limit.Type], Soft: limit.Soft, Hard: limit.Hard})
		}
	}
	for _, gid := range spec.User.AdditionalGids {
		process.AdditionalGroups = append(process.AdditionalGroups, int(gid))
	}
	if c := spec.Capabilities; c != nil {
		process.Capabilities = &configs.Capabilities{
			Bounding: c.Bounding, Effective: c.Effective, Permitted: c.Permitted,
			Inheritable: c.Inheritable, Ambient: c.Ambient,
		}
	}
	return process
}

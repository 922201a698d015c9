package resolve

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// sandbox has the resources that the containers of a pod share: <pod>-pod.service. It keeps the network, the addresses, the
// published ports and the empty directories while containers come and go.
type sandbox struct {
	ref v1.Ref
	// at is the path of its fields in the object.
	at string
	// name is the unit's without ".service".
	name     string
	hostname string
	names    []string
	ports    []v1.ContainerPort
	sysctls  []v1.Sysctl
	// fsGroup is the pod's group for its files; 0 for none.
	fsGroup int64
	seLinux *v1.SELinuxOptions
	// hugePages are those of the pod together.
	hugePages hugePages
	// sharesProcesses gives it a process namespace, and a first process that reaps the others.
	sharesProcesses bool
	service
	v1.SandboxFields
}

func (s sandbox) unit() string { return names.Service(s.name) }

// sandbox returns the sandbox of the containers of an instance.
func (i instance) sandbox() sandbox {
	box := sandbox{
		ref: i.ref, at: i.at, name: names.Pod(i.name, i.number), hostname: i.hostname,
		names:           slices.Compact(append([]string{i.hostname}, i.names...)),
		sysctls:         i.spec.SecurityContext.Sysctls,
		fsGroup:         value(i.spec.SecurityContext.FSGroup),
		hugePages:       i.hugePages,
		seLinux:         i.spec.SecurityContext.SELinuxOptions,
		sharesProcesses: i.spec.ShareProcessNamespace && !i.spec.HostPID,
		service:         i.service,
		SandboxFields:   i.spec.SandboxFields,
	}
	for _, container := range slices.Concat(i.spec.InitContainers, i.spec.Containers) {
		box.ports = append(box.ports, container.Ports...)
	}
	box.keep = reconcile.KeepRunning
	if i.ends() {
		// The job's containers pull it in, and it goes when they have ended.
		box.keep, box.wantedBy, box.whileNeeded = i.helperKeep(), nil, true
	}
	box.role = units.RoleSandbox
	if box.sharesProcesses {
		box.role = units.RoleReaper
	}
	return box
}

// sandbox makes a sandbox desired.
func (r *resolver) sandbox(box sandbox, source object.Position) error {
	if err := r.claimUnit(box.unit(), box.ref); err != nil {
		return err
	}
	network, networks, err := r.attach(box.SandboxFields, box.ports, box.names)
	if err != nil {
		return in(reconcile.PartNetwork, at(box.at, err))
	}
	emptyDirs, err := r.sharedDirs(box)
	if err != nil {
		return at(box.at, err)
	}
	b := &bundle.Bundle{
		Spec: &specs.Spec{
			Version: specs.Version, Hostname: hostnameOf(box.SandboxFields, box.hostname),
			Linux: &specs.Linux{Namespaces: sharedNamespaces(box), Sysctl: sharedSysctls(box)},
		},
		Launch: bundle.Launch{
			ID: box.name, Object: box.ref.String(), Network: network,
			HostAliases: hostAliases(box.HostAliases), DNS: dnsOf(box.SandboxFields), EmptyDirs: emptyDirs,
			SELinux: seLinux(box.seLinux, false), UIDMappings: idMappings(box.UserNamespace.UIDs()), GIDMappings: idMappings(box.UserNamespace.GIDs()),
		},
	}
	dependencies, err := r.dependenciesOf(box.SandboxFields)
	if err != nil {
		return at(box.at, err)
	}
	unit := units.Unit{
		Head: units.Head{
			Name: box.unit(), Description: fmt.Sprintf("%s (sandbox)", box.ref), WantedBy: box.wantedBy,
			Dependencies: joined(dependencies, box.dependencies),
		},
		Role:              box.role,
		StopWhenUnneeded:  box.whileNeeded,
		RequiresMountsFor: []string{bundle.StateDir},
		LogFields:         map[string]string{"CONTAINER_NAME": box.name},
		Restart:           reconcile.RestartNever,
		MaxRestarts:       -1,
		KillSignal:        "SIGTERM",
		StopSeconds:       defaultGracePeriod,
		Slice:             box.slice,
	}
	if box.sharesProcesses {
		unit.Restart = restartAlways
	}
	return r.workload(reconcile.Workload{Ref: box.ref, Keep: box.keep, Unit: &unit, Bundle: b, Networks: networks}, source)
}

// sharedNamespaces are those that the sandbox makes.
func sharedNamespaces(box sandbox) []specs.LinuxNamespace {
	var shared []specs.LinuxNamespace
	for _, namespace := range namespaces(box.SandboxFields) {
		if isShared(namespace.Type, box.sharesProcesses) {
			shared = append(shared, namespace)
		}
	}
	return shared
}

func isShared(kind specs.LinuxNamespaceType, processes bool) bool {
	switch kind {
	case specs.UserNamespace, specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace:
		return true
	case specs.PIDNamespace:
		return processes
	default:
		return false
	}
}

// joinSandbox makes a container one of a sandbox's: it does not have the resources of the sandbox itself.
func (run runnable) joinSandbox(spec *specs.Spec) {
	for i, namespace := range spec.Linux.Namespaces {
		if isShared(namespace.Type, run.sharesProcesses) {
			spec.Linux.Namespaces[i].Path = bundle.SandboxPath
		}
	}
	spec.Hostname, spec.Linux.Sysctl = "", nil
	for i, mount := range spec.Mounts {
		if mount.Destination == "/dev/shm" && mount.Type == "tmpfs" {
			spec.Mounts[i] = specs.Mount{
				Destination: "/dev/shm", Type: "bind", Source: bundle.EmptyDirSource(bundle.ShmDir),
				Options: []string{"bind", "rprivate", "nosuid", "noexec", "nodev"},
			}
			if run.OwnUsers() {
				spec.Mounts[i].Options = append(spec.Mounts[i].Options, reconcile.MappedMount)
			}
		}
	}
}

// sharedDirs are the empty directories of a pod, and its shared memory.
func (r *resolver) sharedDirs(box sandbox) ([]bundle.EmptyDir, error) {
	var dirs []bundle.EmptyDir
	for _, declared := range box.Volumes {
		if declared.EmptyDir == nil {
			continue
		}
		dir := bundle.EmptyDir{Name: declared.Name, GID: int(box.fsGroup)}
		if declared.EmptyDir.Medium == v1.MediumMemory {
			options, err := tmpfsOptions(openSpec(box.fsGroup), *declared.EmptyDir)
			if err != nil {
				return nil, fmt.Errorf("volume %s: %w", declared.Name, err)
			}
			dir.Tmpfs = options
		}
		if declared.EmptyDir.IsHugePages() {
			options, err := box.hugePages.options(*declared.EmptyDir)
			if err != nil {
				return nil, fmt.Errorf("volume %s: %w", declared.Name, err)
			}
			dir.HugePages = options
		}
		dirs = append(dirs, dir)
	}
	if box.HostIPC {
		return dirs, nil
	}
	size, err := shmSize(box.SandboxFields)
	if err != nil {
		return nil, err
	}
	return append(dirs, bundle.EmptyDir{Name: bundle.ShmDir, Tmpfs: []string{"nosuid", "noexec", "nodev", "mode=1777", fmt.Sprintf("size=%d", size)}}), nil
}

// shmSize is the size of /dev/shm in bytes.
func shmSize(spec v1.SandboxFields) (int64, error) {
	size := spec.ShmSize
	if size == "" {
		size = defaultShmSize
	}
	parsed, err := resource.ParseQuantity(string(size))
	if err != nil {
		return 0, fmt.Errorf("shmSize %q: %w", size, err)
	}
	return parsed.Value(), nil
}

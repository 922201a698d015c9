package resolve

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/units/bundle"
)

// defaultCapabilities are Podman's: Docker's without AUDIT_WRITE, MKNOD and NET_RAW
// (containers.conf(5), default_capabilities).
var defaultCapabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE",
	"CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

// allCapabilities are those of capabilities(7) as of Linux 5.9, which has the last one.
var allCapabilities = []string{
	"CAP_AUDIT_CONTROL", "CAP_AUDIT_READ", "CAP_AUDIT_WRITE", "CAP_BLOCK_SUSPEND", "CAP_BPF",
	"CAP_CHECKPOINT_RESTORE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER",
	"CAP_FSETID", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_KILL", "CAP_LEASE", "CAP_LINUX_IMMUTABLE",
	"CAP_MAC_ADMIN", "CAP_MAC_OVERRIDE", "CAP_MKNOD", "CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST", "CAP_NET_RAW", "CAP_PERFMON", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP",
	"CAP_SETUID", "CAP_SYSLOG", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_CHROOT", "CAP_SYS_MODULE",
	"CAP_SYS_NICE", "CAP_SYS_PACCT", "CAP_SYS_PTRACE", "CAP_SYS_RAWIO", "CAP_SYS_RESOURCE",
	"CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_WAKE_ALARM",
}

// maskedPaths hide information about the node or its hardware: the lists of Podman and Docker together (GHSA-6fw5-f8r9-fgfm,
// GHSA-jq35-85cj-fj4p for the later ones).
var maskedPaths = []string{
	"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
	"/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
	"/sys/dev/block", "/sys/devices/virtual/powercap", "/sys/firmware", "/sys/fs/selinux",
}

// readonlyPaths are those of Podman and Docker.
var readonlyPaths = []string{
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
}

// guarded are the paths that a container does not see, or only reads, without those that it
// asked for.
func guarded(paths []string, context v1.SecurityContext) []string {
	if context.Privileged || context.ProcMount == v1.ProcMountUnmasked || slices.Contains(context.UnmaskedPaths, "ALL") {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(paths), func(path string) bool { return slices.Contains(context.UnmaskedPaths, path) })
}

// capabilitySet applies drop, then add, to the default set; the result is sorted. A
// privileged container has all.
func capabilitySet(context v1.SecurityContext) []string {
	if context.Privileged {
		return allCapabilities
	}
	change := context.Capabilities
	set := map[string]bool{}
	for _, name := range defaultCapabilities {
		set[name] = true
	}
	for _, name := range expandCapabilities(change.Drop) {
		delete(set, name)
	}
	for _, name := range expandCapabilities(change.Add) {
		set[name] = true
	}
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func expandCapabilities(names []string) []string {
	var expanded []string
	for _, name := range names {
		name = strings.ToUpper(name)
		if name == "ALL" {
			return allCapabilities
		}
		expanded = append(expanded, "CAP_"+strings.TrimPrefix(name, "CAP_"))
	}
	return expanded
}

// appArmorProfile is the profile as a bundle has it: nothing for the default one, which the node may
// lack.
func appArmorProfile(context v1.SecurityContext) string {
	profile := v1.AppArmorProfile{Type: v1.SeccompRuntimeDefault}
	if context.AppArmorProfile != nil {
		profile = *context.AppArmorProfile
	}
	switch {
	case profile.Type == v1.SeccompLocalhost:
		return profile.LocalhostProfile
	case profile.Type == v1.SeccompUnconfined, context.Privileged:
		return bundle.AppArmorUnconfined
	}
	return ""
}

// seLinux is how a container's label differs from the policy's. A privileged one has none, unless it
// asks for one.
func seLinux(options *v1.SELinuxOptions, privileged bool) bundle.SELinux {
	if options == nil {
		return bundle.SELinux{Disabled: privileged}
	}
	return bundle.SELinux{User: options.User, Role: options.Role, Type: options.Type, Level: options.Level, FileType: options.FileType, Disabled: options.Disabled}
}

func namespaces(shared v1.SandboxFields) []specs.LinuxNamespace {
	var namespaces []specs.LinuxNamespace
	if shared.OwnUsers() {
		// First: the others belong to it. The launcher makes it.
		namespaces = append(namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	}
	for _, namespace := range []struct {
		kind specs.LinuxNamespaceType
		host bool
	}{
		{specs.PIDNamespace, shared.HostPID},
		{specs.IPCNamespace, shared.HostIPC},
		{specs.UTSNamespace, false},
		{specs.MountNamespace, false},
		{specs.CgroupNamespace, false},
		{specs.NetworkNamespace, shared.HostNetwork},
	} {
		if !namespace.host {
			namespaces = append(namespaces, specs.LinuxNamespace{Type: namespace.kind})
		}
	}
	return namespaces
}

// defaultShmSize is Docker's and Podman's.
const defaultShmSize = "64Mi"

// systemMounts returns the mounts of every container: the file systems that the OCI specification lists for Linux, all without
// set-id programs.
func systemMounts(run runnable) ([]specs.Mount, error) {
	shm, err := shmSize(run.SandboxFields)
	if err != nil {
		return nil, err
	}
	kernel := "ro"
	if run.SecurityContext.Privileged {
		kernel = "rw"
	}
	mounts := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "noexec", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", fmt.Sprintf("size=%d", shm)}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", kernel}},
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", kernel}},
	}
	if run.HostIPC {
		// Shared memory and queues of the node are file systems of the node.
		for i, mount := range mounts {
			if mount.Destination == "/dev/shm" || mount.Destination == "/dev/mqueue" {
				mounts[i] = specs.Mount{
					Destination: mount.Destination, Type: "bind", Source: mount.Destination,
					Options: []string{"rbind", "rprivate", "nosuid", "noexec", "nodev"},
				}
			}
		}
	}
	return mounts, nil
}

// devicesOf are the devices that a container may use.
func (r *resolver) devicesOf(declared []v1.Device) []bundle.Device {
	var devices []bundle.Device
	for _, device := range declared {
		if device.IsCDI() {
			continue
		}
		writable, _ := r.hostRoot(device.Path, true)
		devices = append(devices, bundle.Device{
			Path:          device.Path,
			ContainerPath: cmp.Or(device.ContainerPath, device.Path),
			Permissions:   cmp.Or(device.Permissions, "rw"),
			Optional:      device.Optional,
			Single:        writable != "",
		})
	}
	return devices
}

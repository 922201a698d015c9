package namespaces

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// Has reports whether a container or a sandbox has a namespace of this kind.
func Has(b *bundle.Bundle, kind specs.LinuxNamespaceType) bool {
	return slices.ContainsFunc(b.Spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
}

// flagsOf are the flags that make those of the bundle's namespaces that need no process.
func flagsOf(b *bundle.Bundle) (flags uintptr) {
	for _, namespace := range b.Spec.Linux.Namespaces {
		flags |= unshareFlags[namespace.Type]
	}
	return flags
}

// unshareFlags make the namespaces that need no process.
var unshareFlags = map[specs.LinuxNamespaceType]uintptr{
	specs.NetworkNamespace: unix.CLONE_NEWNET, specs.IPCNamespace: unix.CLONE_NEWIPC, specs.UTSNamespace: unix.CLONE_NEWUTS,
}

// Files are the names of namespaces in /proc/PID/ns.
var Files = map[specs.LinuxNamespaceType]string{
	specs.UserNamespace: "user", specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc", specs.UTSNamespace: "uts", specs.PIDNamespace: "pid",
}

// PinSandbox makes a sandbox's namespaces that need no process, and pins them. If the sandbox has users of its own, the
// namespaces were made with those.
func (s *Set) PinSandbox(b *bundle.Bundle) error {
	enter := func() error {
		return inNamespaces(slices.Collect(maps.Values(s.files)), func() error { return s.setUp(b) })
	}
	if s.Users == nil {
		enter = func() error {
			return inNamespaces(nil, func() error {
				if err := unix.Unshare(int(flagsOf(b))); err != nil {
					return err
				}
				return s.setUp(b)
			})
		}
	}
	if err := enter(); err != nil {
		return fmt.Errorf("make namespaces: %w", err)
	}
	if Has(b, specs.NetworkNamespace) {
		s.Network = bundle.SandboxFile(b.ID, string(specs.NetworkNamespace))
	}
	return nil
}

// setUp sets up and pins the namespaces of this thread.
func (s *Set) setUp(b *bundle.Bundle) error {
	if Has(b, specs.NetworkNamespace) {
		if err := upLoopback(); err != nil {
			return err
		}
	}
	if err := unix.Sethostname([]byte(b.Spec.Hostname)); err != nil {
		return err
	}
	// /proc/sys shows the values of the reading thread's namespace.
	for _, name := range slices.Sorted(maps.Keys(b.Spec.Linux.Sysctl)) {
		path := filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))
		if err := os.WriteFile(path, []byte(b.Spec.Linux.Sysctl[name]), 0); err != nil {
			return fmt.Errorf("sysctl %s: %w", name, err)
		}
	}
	for _, namespace := range b.Spec.Linux.Namespaces {
		if unshareFlags[namespace.Type] == 0 {
			continue
		}
		if err := Pin(b.ID, namespace.Type, filepath.Join("/proc/thread-self/ns", Files[namespace.Type])); err != nil {
			return err
		}
	}
	if s.Users == nil {
		return nil
	}
	return Pin(b.ID, specs.UserNamespace, s.Users.Path())
}

// PinProcesses starts the first process of a sandbox's process namespace, unless it came with the users, and pins the
// namespace. It returns the process.
func (s *Set) PinProcesses(b *bundle.Bundle) (reaper int, err error) {
	if s.Reaper == 0 {
		attributes := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET}
		if s.Reaper, err = startReaper(b.ID, attributes); err != nil {
			return 0, fmt.Errorf("make a process namespace: %w", err)
		}
	}
	return s.Reaper, Pin(b.ID, specs.PIDNamespace, fmt.Sprintf("/proc/%d/ns/pid", s.Reaper))
}

// Pin mounts a namespace of a sandbox where the pod's containers find it.
func Pin(id string, kind specs.LinuxNamespaceType, source string) error {
	path := bundle.SandboxFile(id, string(kind))
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	if err := unix.Mount(source, path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("keep the %s namespace: %w", kind, err)
	}
	return nil
}

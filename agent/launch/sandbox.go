package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/opencontainers/runc/libcontainer/exeseal"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/selinux/go-selinux/label"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// StartSandbox makes what the containers of a pod share: namespaces, network, files of /etc and
// empty directories. The namespaces are pinned by mounts, so no process has to keep them; but a
// process namespace needs one, which becomes the unit's main process. [Cleanup] undoes all of it.
func StartSandbox(ctx context.Context, path string) error {
	return begin(ctx, path, (*run).startSandbox)
}

func (r *run) startSandbox(ctx context.Context) error {
	if err := r.cleanUpBefore(ctx); err != nil {
		return err
	}
	for _, step := range []func() error{
		r.claim, r.chooseLabels, in(bundle.StageVolume, r.makeEmptyDirs), r.makeUsers, r.makeNamespaces,
		in(bundle.StageNetwork, func() error { return r.connect(ctx) }), r.writeFiles,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	if !r.has(specs.PIDNamespace) {
		return nil
	}
	if r.reaper == 0 {
		var err error
		attributes := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET}
		if r.reaper, err = r.startReaper(attributes); err != nil {
			return fmt.Errorf("make a process namespace: %w", err)
		}
	}
	if err := r.pin(specs.PIDNamespace, fmt.Sprintf("/proc/%d/ns/pid", r.reaper)); err != nil {
		return err
	}
	return handOverProcess(r.Bundle, r.reaper)
}

// has reports whether the sandbox has a namespace of its own of this kind.
func (r *run) has(kind specs.LinuxNamespaceType) bool {
	return slices.ContainsFunc(r.Spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
}

// unshareFlags are the flags that make those of the bundle's namespaces that need no process.
func (r *run) unshareFlags() (flags uintptr) {
	for _, namespace := range r.Spec.Linux.Namespaces {
		flags |= unshareFlags[namespace.Type]
	}
	return flags
}

// unshareFlags make the namespaces that need no process.
var unshareFlags = map[specs.LinuxNamespaceType]uintptr{
	specs.NetworkNamespace: unix.CLONE_NEWNET, specs.IPCNamespace: unix.CLONE_NEWIPC, specs.UTSNamespace: unix.CLONE_NEWUTS,
}

// namespaceFiles are what /proc/PID/ns calls them.
var namespaceFiles = map[specs.LinuxNamespaceType]string{
	specs.UserNamespace: "user", specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc", specs.UTSNamespace: "uts", specs.PIDNamespace: "pid",
}

// makeNamespaces makes and pins the namespaces; with users of its own it pins those that came
// with them.
func (r *run) makeNamespaces() error {
	var err error
	if r.users == nil {
		err = inNamespaces(nil, func() error {
			if err := unix.Unshare(int(r.unshareFlags())); err != nil {
				return err
			}
			return r.setUpNamespaces()
		})
	} else {
		err = inNamespaces(slices.Collect(maps.Values(r.namespaces)), r.setUpNamespaces)
	}
	if err != nil {
		return fmt.Errorf("make namespaces: %w", err)
	}
	if r.has(specs.NetworkNamespace) {
		r.netns = bundle.SandboxFile(r.ID, string(specs.NetworkNamespace))
	}
	return nil
}

// setUpNamespaces sets up and pins the namespaces of this thread.
func (r *run) setUpNamespaces() error {
	if r.has(specs.NetworkNamespace) {
		if err := upLoopback(); err != nil {
			return err
		}
	}
	if err := unix.Sethostname([]byte(r.Spec.Hostname)); err != nil {
		return err
	}
	// What /proc/sys shows of a namespace is the reading thread's.
	for _, name := range slices.Sorted(maps.Keys(r.Spec.Linux.Sysctl)) {
		path := filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))
		if err := os.WriteFile(path, []byte(r.Spec.Linux.Sysctl[name]), 0); err != nil {
			return fmt.Errorf("sysctl %s: %w", name, err)
		}
	}
	for _, namespace := range r.Spec.Linux.Namespaces {
		if unshareFlags[namespace.Type] == 0 {
			continue
		}
		if err := r.pin(namespace.Type, filepath.Join("/proc/thread-self/ns", namespaceFiles[namespace.Type])); err != nil {
			return err
		}
	}
	if r.users == nil {
		return nil
	}
	return r.pin(specs.UserNamespace, descriptorPath(r.users))
}

// pin mounts a namespace where the pod's containers find it.
func (r *run) pin(kind specs.LinuxNamespaceType, source string) error {
	path := bundle.SandboxFile(r.ID, string(kind))
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	if err := unix.Mount(source, path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("keep the %s namespace: %w", kind, err)
	}
	return nil
}

// startReaper starts the first process of the pod's process namespace, see reaper.c.
func (r *run) startReaper(attributes *syscall.SysProcAttr) (int, error) {
	ready, tell, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer ready.Close()
	// The pod's containers may reach this program by /proc/1/exe: what they find is no file of the
	// node's that they could write to (CVE-2019-5736).
	program, err := exeseal.CloneSelfExe(filepath.Dir(bundle.RunningBundle(r.ID)))
	if err != nil {
		return 0, err
	}
	defer program.Close()
	reaper := exec.Command(fmt.Sprintf("/proc/self/fd/%d", program.Fd()), "reap")
	reaper.Args[0] = "davit-run"
	reaper.Stderr = os.Stderr
	reaper.Env = []string{}
	reaper.ExtraFiles = []*os.File{tell}
	reaper.SysProcAttr = attributes
	reaper.SysProcAttr.Setsid = true
	if err := reaper.Start(); err != nil {
		return 0, err
	}
	if err := tell.Close(); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(ready, make([]byte, 1)); err != nil {
		return 0, errors.New("its first process did not come up")
	}
	return reaper.Process.Pid, nil
}

// makeEmptyDirs makes the empty directories, those in memory as file systems of their own.
func (r *run) makeEmptyDirs() error {
	for _, dir := range r.EmptyDirs {
		path := bundle.EmptyDirPath(r.ID, dir.Name)
		if err := os.MkdirAll(path, 0o777); err != nil {
			return err
		}
		if kind, options := dir.FileSystem(); kind != "" {
			if err := r.mountMemory(kind, path, options); err != nil {
				return fmt.Errorf("empty directory %s: %w", dir.Name, err)
			}
			continue
		}
		if err := openToAll(path, dir.GID); err != nil {
			return err
		}
		if err := label.SetFileLabel(path, r.fileLabel); err != nil {
			return err
		}
	}
	return nil
}

// openToAll lets every user write to a directory. With a group, what is made in it belongs to that.
func openToAll(path string, gid int) error {
	if gid == 0 {
		return os.Chmod(path, 0o777)
	}
	// A change of the owner takes the bits away (chown(2)).
	if err := os.Chown(path, 0, gid); err != nil {
		return err
	}
	return os.Chmod(path, 0o777|os.ModeSetgid)
}

// memoryFlags are mount options that mount(2) takes as flags.
var memoryFlags = map[string]uintptr{"nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC}

func (r *run) mountMemory(kind, path string, options []string) error {
	var flags uintptr
	var data []string
	for _, option := range options {
		if flag, ok := memoryFlags[option]; ok {
			flags |= flag
		} else {
			data = append(data, option)
		}
	}
	return unix.Mount(kind, path, kind, flags, r.labelled(data...))
}

// joinSandbox finds what the container shares with others of its pod.
func (r *run) joinSandbox() error {
	shared, err := readBundle(filepath.Dir(bundle.RunningBundle(r.Sandbox)))
	if err != nil {
		return fmt.Errorf("its sandbox is not up: %w: try systemctl start %s", err, r.Sandbox)
	}
	for i, namespace := range r.Spec.Linux.Namespaces {
		if namespace.Path == bundle.SandboxPath {
			r.Spec.Linux.Namespaces[i].Path = bundle.SandboxFile(r.Sandbox, string(namespace.Type))
		}
	}
	if len(r.Env.Dynamic) == 0 {
		return nil
	}
	own, err := readMember(filepath.Join(bundle.MembersDir, r.Sandbox))
	if err != nil && len(shared.Network.Attachments) > 0 {
		return fmt.Errorf("its sandbox has no network: %w", err)
	}
	for _, attachment := range shared.Network.Attachments {
		r.addresses = append(r.addresses, own.Networks[attachment.Network].Addresses...)
	}
	return nil
}

// shared is the id of what has the container's files of /etc and its empty directories.
func (r *run) shared() string {
	if r.Sandbox != "" {
		return r.Sandbox
	}
	return r.ID
}

// releaseSandbox unmounts what a sandbox has mounted; the kernel takes the namespaces apart once
// the last process has left them.
func releaseSandbox(b *bundle.Bundle) error {
	var mounts []string
	for kind := range namespaceFiles {
		mounts = append(mounts, bundle.SandboxFile(b.ID, string(kind)))
	}
	for _, dir := range b.EmptyDirs {
		if kind, _ := dir.FileSystem(); kind != "" {
			mounts = append(mounts, bundle.EmptyDirPath(b.ID, dir.Name))
		}
	}
	var failures []error
	for _, path := range mounts {
		// EINVAL is a path that is not mounted.
		if err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			failures = append(failures, fmt.Errorf("unmount %s: %w", path, err))
		}
	}
	return errors.Join(failures...)
}

// isSandbox reports whether a bundle is that of a sandbox, which runs nothing.
func isSandbox(b *bundle.Bundle) bool { return b.Spec.Process == nil }

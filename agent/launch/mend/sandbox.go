package mend

import (
	"errors"
	"fmt"
	"os"

	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/launch/namespaces"
	"github.com/davit-project/davit/agent/launch/rootfs"
	"github.com/davit-project/davit/agent/launch/runtime"
	"github.com/davit-project/davit/units/bundle"
)

// mendSandbox restores mounts of a sandbox on the node that were unmounted. The namespaces and the files in memory
// exist as long as a container of the pod uses them.
func mendSandbox(b *bundle.Bundle) error {
	var failures []error
	for _, namespace := range b.Spec.Linux.Namespaces {
		file, known := namespaces.Files[namespace.Type]
		if !known {
			continue
		}
		pin := func(pid int, _ *bundle.Bundle) error {
			return namespaces.Pin(b.ID, namespace.Type, fmt.Sprintf("/proc/%d/ns/%s", pid, file))
		}
		if err := ensureMount(b, bundle.SandboxFile(b.ID, string(namespace.Type)), "nsfs", pin); err != nil {
			failures = append(failures, fmt.Errorf("mount its %s namespace again: %w", namespace.Type, err))
		}
	}
	for _, dir := range b.EmptyDirs {
		kind, _ := dir.FileSystem()
		if kind == "" {
			continue
		}
		path := bundle.EmptyDirPath(b.ID, dir.Name)
		mount := func(pid int, one *bundle.Bundle) error { return mountAgain(pid, one, dir.Name, path, kind) }
		if err := ensureMount(b, path, kind, mount); err != nil {
			failures = append(failures, fmt.Errorf("mount its empty directory %s again: %w", dir.Name, err))
		}
	}
	return errors.Join(failures...)
}

// ensureMount leaves a file system of this type mounted at a path. If there is none, mount is called for each running
// container of the pod until there is.
func ensureMount(sandbox *bundle.Bundle, path, kind string, mount func(pid int, one *bundle.Bundle) error) error {
	if disk.IsMounted(path, kind) {
		return nil
	}
	if err := checkFree(path); err != nil {
		return err
	}
	containers, err := sharing(sandbox)
	if err != nil {
		return err
	}
	failure := errNowhere
	for _, one := range containers {
		pid, err := runtime.Of(one).Pid()
		if err != nil {
			continue
		}
		err = mount(pid, one)
		if err == nil && disk.IsMounted(path, kind) {
			return nil
		}
		if err != nil {
			failure = err
		}
	}
	return failure
}

// errNowhere is returned if no running container has the namespace or file system that is to be mounted.
var errNowhere = errors.New("no container of the pod that runs has it: run systemctl restart with the pod's unit")

// checkFree returns an error if another file system is mounted at a path: it may be in use, so davit does not unmount it.
func checkFree(path string) error {
	mounts, err := mountinfo.GetMounts(func(mount *mountinfo.Info) (skip, stop bool) { return mount.Mountpoint != path, false })
	if err != nil || len(mounts) == 0 {
		return err
	}
	top := mounts[len(mounts)-1]
	return fmt.Errorf("%s of %s is mounted over it: run umount %s", top.FSType, top.Source, path)
}

// mountAgain mounts the file system of an empty directory that a container has, where it was on the node.
func mountAgain(pid int, b *bundle.Bundle, name, path, kind string) error {
	for _, mount := range b.Spec.Mounts {
		if has, ok := bundle.EmptyDirName(mount.Source); ok && has == name {
			return mountFrom(pid, mount, path, kind)
		}
	}
	return nil
}

// mountFrom mounts a file system that a container has mounted on the node too.
func mountFrom(pid int, mount specs.Mount, path, kind string) error {
	inside, err := pathrs.OpenInRoot(fmt.Sprintf("/proc/%d/root", pid), mount.Destination)
	if err != nil {
		return err
	}
	defer inside.Close()
	if !disk.IsMount(int(inside.Fd()), kind) { // the container may have put another directory there
		return fmt.Errorf("the container has no %s mounted at %s any more", kind, mount.Destination)
	}
	var tree *os.File
	err = namespaces.InMounts(pid, func(files *os.File) error {
		fd, err := unix.OpenTree(int(inside.Fd()), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
		if err == nil {
			tree = os.NewFile(uintptr(fd), path)
		}
		return os.NewSyscallError("open_tree", err)
	})
	if err != nil {
		return err
	}
	defer tree.Close()
	place, err := os.OpenFile(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer place.Close()
	return rootfs.MoveMount(tree, place, 0)
}

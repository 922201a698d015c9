package launch

import (
	"errors"
	"fmt"
	"os"

	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// mendSandbox mounts again what is unmounted of what a sandbox has mounted on the node. The namespaces and the files in
// memory are there as long as a container of the pod has them.
func mendSandbox(b *bundle.Bundle) error {
	var failures []error
	for _, namespace := range b.Spec.Linux.Namespaces {
		file, known := namespaceFiles[namespace.Type]
		path := bundle.SandboxFile(b.ID, string(namespace.Type))
		if !known || isMounted(path) {
			continue
		}
		pin := func(pid int, _ *bundle.Bundle) error {
			return (&run{Bundle: b}).pin(namespace.Type, fmt.Sprintf("/proc/%d/ns/%s", pid, file))
		}
		if err := mountOf(b, pin, path); err != nil {
			failures = append(failures, fmt.Errorf("mount its %s namespace again: %w", namespace.Type, err))
		}
	}
	for _, dir := range b.EmptyDirs {
		path := bundle.EmptyDirPath(b.ID, dir.Name)
		if kind, _ := dir.FileSystem(); kind == "" || isMounted(path) {
			continue
		}
		mount := func(pid int, one *bundle.Bundle) error { return mountAgain(pid, one, dir.Name, path) }
		if err := mountOf(b, mount, path); err != nil {
			failures = append(failures, fmt.Errorf("mount its empty directory %s again: %w", dir.Name, err))
		}
	}
	return errors.Join(failures...)
}

// errNowhere says that no container that runs has what is to be mounted.
var errNowhere = errors.New("no container of the pod that runs has it: run systemctl restart with the pod's unit")

// mountOf has each container of a pod that runs tried until what it has is mounted at a path.
func mountOf(sandbox *bundle.Bundle, mount func(pid int, one *bundle.Bundle) error, path string) error {
	containers, err := sharing(sandbox)
	if err != nil {
		return err
	}
	failure := errNowhere
	for _, one := range containers {
		pid, err := runtimeOf(one).pid()
		if err != nil {
			continue
		}
		err = mount(pid, one)
		if err == nil && isMounted(path) {
			return nil
		}
		if err != nil {
			failure = err
		}
	}
	return failure
}

// isMounted reports whether something is mounted at a path.
func isMounted(path string) bool {
	mounted, err := mountinfo.Mounted(path)
	return err == nil && mounted
}

// mountAgain mounts the file system of an empty directory that a container has, where it was on the node.
func mountAgain(pid int, b *bundle.Bundle, name, path string) error {
	for _, mount := range b.Spec.Mounts {
		if has, ok := bundle.EmptyDirName(mount.Source); !ok || has != name {
			continue
		}
		return mountFrom(pid, mount, path)
	}
	return nil
}

func mountFrom(pid int, mount specs.Mount, path string) error {
	inside, err := pathrs.OpenInRoot(fmt.Sprintf("/proc/%d/root", pid), mount.Destination)
	if err != nil {
		return err
	}
	defer inside.Close()
	var tree *os.File
	err = inMountNamespace(pid, func(files *os.File) error {
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
	return moveMount(tree, place, 0)
}

package cleanup

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/namespaces"
	"github.com/davit-project/davit/units/bundle"
)

// unmountBelow unmounts all that is mounted in directories.
func unmountBelow(dirs ...string) error {
	mounts, err := mountinfo.GetMounts(func(mount *mountinfo.Info) (skip, stop bool) {
		return !slices.ContainsFunc(dirs, func(dir string) bool { return strings.HasPrefix(mount.Mountpoint, dir+"/") }), false
	})
	if err != nil {
		return fmt.Errorf("read the mounts: %w", err)
	}
	var failures []error
	for _, mount := range slices.Backward(mounts) { // the last one is on top
		if err := unix.Unmount(mount.Mountpoint, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) {
			failures = append(failures, fmt.Errorf("unmount %s: %w", mount.Mountpoint, err))
		}
	}
	return errors.Join(failures...)
}

// releaseSandbox unmounts the mounts of a sandbox; the kernel takes the namespaces apart once
// the last process has left them.
func releaseSandbox(b *bundle.Bundle) error {
	var mounts []string
	for kind := range namespaces.Files {
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

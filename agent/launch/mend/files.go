package mend

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/network"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/launch/rootfs"
	"github.com/davit-project/davit/agent/launch/runtime"
	"github.com/davit-project/davit/units/bundle"
)

// lostFiles are the files of /etc that the launcher made for a container and that are gone.
func lostFiles(b *bundle.Bundle) []string {
	var lost []string
	for _, name := range bundle.EtcFiles {
		if !record.Exists(bundle.EtcFile(b.ID, name)) {
			lost = append(lost, name)
		}
	}
	return lost
}

// mendFiles re-creates the files that the launcher made for a container. It mounts re-created files of /etc over the
// deleted ones that the container still sees: the container would otherwise not see later changes.
func mendFiles(b *bundle.Bundle, lost []string) error {
	if err := network.RestoreAddress(b); err != nil {
		return err
	}
	var failures []error
	for _, name := range lost {
		err := writeLost(b, name)
		if err == nil {
			err = remount(b, name)
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("show it its new /etc/%s: %w: run systemctl restart %s to have it seen", name, err, b.ID))
		}
	}
	return errors.Join(failures...)
}

func writeLost(b *bundle.Bundle, name string) error {
	if name == "hosts" {
		return network.RestoreHosts(b)
	}
	return rootfs.WriteFile(b, name)
}

// remount mounts a file of a container's directory in the place of the one that is gone, in the container or in all
// containers of the pod.
func remount(b *bundle.Bundle, name string) error {
	containers, err := sharing(b)
	if err != nil {
		return err
	}
	var failures []error
	for _, one := range containers {
		pid, err := runtime.Of(one).Pid()
		if err != nil {
			continue // it has ended, or starts with the new file
		}
		failures = append(failures, remountIn(one, pid, bundle.EtcFile(b.ID, name), "/etc/"+name))
	}
	return errors.Join(failures...)
}

// sharing are the containers that have the files of a container's directory: itself, or those of a sandbox.
func sharing(b *bundle.Bundle) ([]*bundle.Bundle, error) {
	if !record.IsSandbox(b) {
		return []*bundle.Bundle{b}, nil
	}
	entries, err := os.ReadDir(bundle.AttachmentsDir)
	if err != nil {
		return nil, err
	}
	var found []*bundle.Bundle
	for _, entry := range entries {
		one, err := record.ReadBundle(filepath.Join(bundle.AttachmentsDir, entry.Name()))
		if err == nil && one.Sandbox == b.ID {
			found = append(found, one)
		}
	}
	return found, nil
}

// remountIn mounts a file in the place of one that is mounted in a container and has no name on the node any more.
func remountIn(b *bundle.Bundle, pid int, source, destination string) error {
	open := func() (*os.File, error) { return pathrs.OpenInRoot(fmt.Sprintf("/proc/%d/root", pid), destination) }
	target, err := open()
	if err != nil {
		return err
	}
	defer target.Close()
	var stat unix.Stat_t
	if err := unix.Fstat(int(target.Fd()), &stat); err != nil {
		return err
	}
	if stat.Nlink > 0 { // the container has another file there
		return nil
	}
	for _, namespace := range b.Spec.Linux.Namespaces {
		if namespace.Type == specs.UserNamespace {
			return errors.New("its users are its own")
		}
	}
	attributes := unix.MountAttr{
		Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC, Propagation: unix.MS_PRIVATE,
	}
	if b.Spec.Root.Readonly {
		attributes.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	tree, err := rootfs.Tree(source, attributes)
	if err != nil {
		return err
	}
	defer tree.Close()
	return rootfs.ReplaceMount(tree, target, pid, open)
}

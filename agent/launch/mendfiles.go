package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/resolver"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// lostFiles are the files of /etc that the launcher made for a container and that are gone.
func lostFiles(b *bundle.Bundle) []string {
	var lost []string
	for _, name := range bundle.EtcFiles {
		if !exists(bundle.EtcFile(b.ID, name)) {
			lost = append(lost, name)
		}
	}
	return lost
}

// mendFiles makes the files again that the launcher made for a container, and mounts those of /etc that were lost in the
// place of the ones that the container sees still: what davit writes to them later would else not be seen.
func mendFiles(b *bundle.Bundle, lost []string) error {
	if own, err := readMember(bundle.MemberFile(b.ID)); err == nil && !exists(bundle.AddressFile(b.ID)) {
		if err := writeAddress(b, own); err != nil {
			return err
		}
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
	switch name {
	case "hosts":
		return rewriteLostHosts(b)
	case "hostname":
		return untrusted.WriteFile(bundle.EtcFile(b.ID, name), []byte(b.Spec.Hostname+"\n"), 0o644)
	default:
		return untrusted.WriteFile(resolver.File(b.ID), (&run{Bundle: b}).resolver(), 0o644)
	}
}

// writeAddress records the first address of a container.
func writeAddress(b *bundle.Bundle, own bundle.Member) error {
	for _, attachment := range b.Network.Attachments {
		if addresses := own.Networks[attachment.Network].Addresses; len(addresses) > 0 {
			return os.WriteFile(bundle.AddressFile(b.ID), []byte(addresses[0]), 0o600)
		}
	}
	return nil
}

// rewriteLostHosts writes a container's /etc/hosts where there is none.
func rewriteLostHosts(b *bundle.Bundle) error {
	if b.Network.Mode != bundle.NetworkCNI {
		return untrusted.WriteFile(bundle.EtcFile(b.ID, "hosts"), []byte(baseHosts(b)), 0o644)
	}
	unlock, err := disk.Lock(namesLock, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer unlock()
	own, err := readMember(bundle.MemberFile(b.ID))
	if err != nil || own.ID == "" {
		return err
	}
	text, err := allHosts(own)
	if err != nil {
		return err
	}
	return untrusted.WriteFile(bundle.EtcFile(b.ID, "hosts"), []byte(text), 0o644)
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
		pid, err := runtimeOf(one).pid()
		if err != nil {
			continue // it has ended, or starts with the new file
		}
		failures = append(failures, remountIn(one, pid, bundle.EtcFile(b.ID, name), "/etc/"+name))
	}
	return errors.Join(failures...)
}

// sharing are the containers that have the files of a container's directory: itself, or those of a sandbox.
func sharing(b *bundle.Bundle) ([]*bundle.Bundle, error) {
	if !isSandbox(b) {
		return []*bundle.Bundle{b}, nil
	}
	entries, err := os.ReadDir(bundle.AttachmentsDir)
	if err != nil {
		return nil, err
	}
	var found []*bundle.Bundle
	for _, entry := range entries {
		one, err := readBundle(filepath.Join(bundle.AttachmentsDir, entry.Name()))
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
	tree, err := mountTree(source, attributes)
	if err != nil {
		return err
	}
	defer tree.Close()
	return replaceMount(tree, target, pid, open)
}

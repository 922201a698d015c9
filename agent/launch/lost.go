package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/bridge"
	"github.com/davit-project/davit/units/bundle"
)

// The record in [bundle.AttachmentsDir] says what a container has left. It may be lost while the container runs:
// /run was emptied, or the file is damaged. Then the kernel says what is mounted and which addresses are in use,
// and the bundles that the node has of the container say which networks and ports it may have used.

// ownDirs are the container's own directories.
func ownDirs(id string) []string {
	return []string{filepath.Join(bundle.AttachmentsDir, id), filepath.Join(bundle.ContainersDir, id)}
}

// hasLeft reports whether a container without a record has left anything: it has a directory from when it starts
// until it is cleaned up.
func hasLeft(id string) bool {
	return slices.ContainsFunc(ownDirs(id), func(dir string) bool {
		_, err := os.Lstat(dir)
		return err == nil
	})
}

// bundlesOf are the bundles that the node has of a container, the newest first. What cannot be read has nothing to
// say.
func bundlesOf(id string) []*bundle.Bundle {
	entries, err := os.ReadDir(bundle.BundlesDir)
	if err != nil {
		return nil
	}
	type dated struct {
		*bundle.Bundle
		since time.Time
	}
	var found []dated
	for _, entry := range entries {
		if bundle.IDOf(entry.Name()) != id {
			continue
		}
		b, err := readBundle(bundle.Path(entry.Name()))
		info, failure := entry.Info()
		if err == nil && failure == nil && b.ID == id {
			found = append(found, dated{b, info.ModTime()})
		}
	}
	slices.SortFunc(found, func(a, b dated) int { return b.since.Compare(a.since) })
	var bundles []*bundle.Bundle
	for _, one := range found {
		bundles = append(bundles, one.Bundle)
	}
	return bundles
}

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

// restoreMembers makes members again of containers that run without a record, as far as the kernel knows them, and
// returns those of a network. Their own /etc/hosts stay as they are until they start again: what else is in them is
// on record nowhere. The caller holds namesLock.
func restoreMembers(network string) ([]bundle.Member, error) {
	ports, err := bridge.Ports()
	if err != nil {
		return nil, err
	}
	var restored []bundle.Member
	for _, port := range ports {
		id := bundle.FromRuntimeID(port.Container)
		if !isID(id) {
			continue
		}
		if _, err := os.Lstat(filepath.Join(bundle.AttachmentsDir, id)); !errors.Is(err, fs.ErrNotExist) {
			continue // it makes itself known when it starts
		}
		for _, b := range bundlesOf(id) {
			if m, ok := memberAt(b, port, network); ok {
				restored = append(restored, m)
				break
			}
		}
	}
	return restored, nil
}

// memberAt is the member that a container of a bundle is on a network, with the addresses of its port there.
func memberAt(b *bundle.Bundle, port bridge.Port, network string) (bundle.Member, bool) {
	for i, attachment := range b.Network.Attachments {
		own, ok, err := bundle.DecodeBridgeNetwork(attachment.Conflist)
		if err != nil || !ok || attachment.Network != network || own.Device != port.Device || interfaceName(i) != port.Interface {
			continue
		}
		end := bundle.Endpoint{Names: attachment.Names}
		for _, address := range port.Addresses {
			end.Addresses = append(end.Addresses, address.String())
		}
		m := bundle.Member{ID: b.ID, Hostname: b.Spec.Hostname, Networks: map[string]bundle.Endpoint{network: end}}
		m.Base = baseHosts(b) + ownHosts(m)
		return m, true
	}
	return bundle.Member{}, false
}

package network

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/bridge"
	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// The record in [bundle.AttachmentsDir] lists the leftovers of a container. It may be lost while the container runs:
// /run was emptied, or the file is damaged. Then mounts and addresses in use are read from the kernel, and the networks
// and ports that it may have used from the bundles of the container on the node.

// restoreMembers re-creates the member records of containers that run without one, as far as the kernel knows them, and
// returns those of a network. Their own /etc/hosts are unchanged until they restart: their other lines are recorded
// nowhere. The caller holds namesLock.
func restoreMembers(network string) ([]bundle.Member, error) {
	ports, err := bridge.Ports()
	if err != nil {
		return nil, err
	}
	var restored []bundle.Member
	for _, port := range ports {
		id := bundle.FromRuntimeID(port.Container)
		if !record.IsID(id) {
			continue
		}
		if _, err := os.Lstat(filepath.Join(bundle.AttachmentsDir, id)); !errors.Is(err, fs.ErrNotExist) {
			continue // it makes itself known when it starts
		}
		for _, b := range record.BundlesOf(id) {
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

// RestoreAddress records the first address of a container, if the record of it is gone.
func RestoreAddress(b *bundle.Bundle) error {
	own, err := readMember(bundle.MemberFile(b.ID))
	if err != nil || record.Exists(bundle.AddressFile(b.ID)) {
		return nil
	}
	for _, attachment := range b.Network.Attachments {
		if addresses := own.Networks[attachment.Network].Addresses; len(addresses) > 0 {
			return os.WriteFile(bundle.AddressFile(b.ID), []byte(addresses[0]), 0o600)
		}
	}
	return nil
}

// RestoreHosts writes a container's /etc/hosts if there is none.
func RestoreHosts(b *bundle.Bundle) error {
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

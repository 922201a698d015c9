package network

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// namesLock guards [bundle.MembersDir], [bundle.NamesDir] and all /etc/hosts.
const namesLock = bundle.RunDir + "/members.lock"

// join makes a container that starts known to its networks.
func join(m bundle.Member, base string) error {
	m.Base = base + ownHosts(m)
	unlock, err := disk.Lock(namesLock, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer unlock()
	lines, err := publish(m)
	if err != nil {
		return err
	}
	return untrusted.WriteFile(bundle.EtcFile(m.ID, "hosts"), []byte(m.Base+lines), 0o644)
}

// setReady has a replica's neighbours ask it or the others, and reports whether there are others that are ready.
func setReady(id string, ready bool) (others bool, err error) {
	unlock, err := disk.Lock(namesLock, unix.LOCK_EX)
	if err != nil {
		return false, err
	}
	defer unlock()
	m, err := readMember(bundle.MemberFile(id))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // it has no network
	}
	if err != nil || m.ID == "" {
		return false, err
	}
	if m.Unready == ready {
		m.Unready = !ready
		if _, err := publish(m); err != nil {
			return false, err
		}
	}
	for network := range m.Networks {
		all, _, err := readNeighbours(network)
		if err != nil {
			return false, err
		}
		others = others || all.answerFor(m.ID)
	}
	return others, nil
}

// leave makes its networks forget a container.
func leave(id string) error {
	unlock, err := disk.Lock(namesLock, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer unlock()
	path := bundle.MemberFile(id)
	m, err := readMember(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	networks := slices.Collect(maps.Keys(m.Networks))
	if m.ID == "" { // nothing tells where it was
		if networks, err = recorded(); err != nil {
			return err
		}
	}
	var failures []error
	for _, network := range networks {
		_, err := change(network, func(all neighbours) neighbours { return all.without(id) })
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// publish writes a member's file, tells its neighbours, and returns the lines of all its networks. The
// caller holds namesLock.
func publish(m bundle.Member) (lines string, err error) {
	text, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(bundle.MembersDir, 0o700); err != nil {
		return "", err
	}
	if err := os.WriteFile(bundle.MemberFile(m.ID), text, 0o600); err != nil {
		return "", err
	}
	for _, network := range slices.Sorted(maps.Keys(m.Networks)) {
		of, failure := change(network, func(all neighbours) neighbours { return all.with(asNeighbour(m, network)) })
		lines, err = lines+of, errors.Join(err, failure)
	}
	return lines, err
}

// change changes who is on a network, and with that its members' /etc/hosts. It returns the network's lines.
func change(network string, to func(neighbours) neighbours) (string, error) {
	before, exact, err := readNeighbours(network)
	if err != nil {
		return "", err
	}
	now := to(before)
	if err := now.record(network); err != nil {
		return "", err
	}
	old, new := before.lines(), now.lines()
	if exact && old == new {
		return new, nil
	}
	patch := difference(old, new)
	refused, err := now.tell(func(n neighbour) error {
		if exact && n.Base >= 0 {
			if patched, err := patch.apply(bundle.EtcFile(n.ID, "hosts"), n.Base); patched || err != nil {
				return err
			}
		}
		return rewriteHosts(n.ID)
	})
	for id, reason := range refused {
		fmt.Fprintf(messages, "davit-run: %s keeps the names it knows until the next change on network %s: write its /etc/hosts: %v\n", id, network, reason)
	}
	if len(refused) > 0 && err == nil {
		err = now.record(network)
	}
	return new, err
}

// rewriteHosts writes the /etc/hosts of a member that has one.
func rewriteHosts(id string) error {
	if _, err := os.Lstat(bundle.EtcFile(id, "hosts")); errors.Is(err, fs.ErrNotExist) {
		return nil // it is just coming, and writes its own, or it has gone
	}
	m, err := readMember(bundle.MemberFile(id))
	if errors.Is(err, fs.ErrNotExist) || err == nil && m.ID == "" {
		return nil
	}
	if err != nil {
		return err
	}
	return writeAllHosts(m)
}

func readMembers() ([]bundle.Member, error) {
	entries, err := os.ReadDir(bundle.MembersDir)
	if err != nil {
		return nil, err
	}
	var members []bundle.Member
	for _, entry := range entries {
		m, err := readMember(filepath.Join(bundle.MembersDir, entry.Name()))
		if err != nil {
			return nil, err
		}
		if m.ID != "" {
			members = append(members, m)
		}
	}
	return members, nil
}

// readMember reads a member's file. A launcher that was killed may have left half a file:
// that is the zero member, which has no neighbours; its container is not up, and its next
// start writes the file again.
func readMember(path string) (bundle.Member, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return bundle.Member{}, err
	}
	m, _ := bundle.DecodeMember(filepath.Base(path), text)
	return m, nil
}

package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/units/bundle"
)

// Containers find each other by name through /etc/hosts, which the launchers keep right
// at every start and stop: names work with no resolver to run, to configure or to fail.

// member is a container as its neighbours see it.
type member struct {
	ID string `json:"id"`
	// Hostname is what the container calls itself.
	Hostname string `json:"hostname"`
	// Networks are its endpoints, by network.
	Networks map[string]endpoint `json:"networks"`
	// Base is the part of its /etc/hosts that no neighbour changes.
	Base string `json:"base"`
	// Unready is set for a replica that is not ready yet, or that is about to stop: it gives its
	// names up to those that are ready.
	Unready bool `json:"unready,omitempty"`
}

// endpoint is what a container is called and where it is on one network.
type endpoint struct {
	Names     []string `json:"names"`
	Addresses []string `json:"addresses"`
}

// namesLock guards [bundle.MembersDir] and all /etc/hosts.
const namesLock = bundle.RunDir + "/members.lock"

// baseHosts are the lines every container has, and those of the manifest.
func baseHosts(b *bundle.Bundle) string {
	var text strings.Builder
	text.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
	if b.Network.Mode != bundle.NetworkCNI {
		fmt.Fprintf(&text, "127.0.1.1\t%s\n", b.Spec.Hostname)
	}
	for _, alias := range b.HostAliases {
		fmt.Fprintf(&text, "%s\t%s\n", alias.IP, strings.Join(alias.Names, " "))
	}
	return text.String()
}

// join makes a container known to its networks.
func join(m member, base string) error {
	m.Base = base
	unlock, err := disk.Lock(namesLock, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer unlock()
	if err := os.MkdirAll(bundle.MembersDir, 0o700); err != nil {
		return err
	}
	return writeMember(m)
}

// setReady tells a replica's neighbours whether to ask it or the others.
func setReady(id string, ready bool) error {
	unlock, err := disk.Lock(namesLock, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer unlock()
	m, err := readMember(filepath.Join(bundle.MembersDir, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has no network
	}
	if err != nil || m.ID == "" || m.Unready == !ready {
		return err
	}
	m.Unready = !ready
	return writeMember(m)
}

// writeMember writes a member's file and its neighbours' /etc/hosts. The caller holds namesLock.
func writeMember(m member) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(bundle.MembersDir, m.ID), text, 0o600); err != nil {
		return err
	}
	return rewriteHosts(m)
}

// leave makes its networks forget a container.
func leave(id string) error {
	unlock, err := disk.Lock(namesLock, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer unlock()
	path := filepath.Join(bundle.MembersDir, id)
	m, err := readMember(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return rewriteHosts(m)
}

// rewriteHosts brings /etc/hosts of the neighbours of a member that came or went, and its
// own, up to date. The caller holds namesLock.
func rewriteHosts(changed member) error {
	members, err := readMembers()
	if err != nil {
		return err
	}
	for _, m := range members {
		if !share(m, changed) {
			continue
		}
		if err := writeHosts(m.ID, hostsFor(m, members)); err != nil {
			return err
		}
	}
	return nil
}

// share reports whether two members are on one network.
func share(a, b member) bool {
	for network := range a.Networks {
		if _, ok := b.Networks[network]; ok {
			return true
		}
	}
	return false
}

func readMembers() ([]member, error) {
	entries, err := os.ReadDir(bundle.MembersDir)
	if err != nil {
		return nil, err
	}
	var members []member
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
func readMember(path string) (member, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return member{}, err
	}
	var m member
	if json.Unmarshal(text, &m) != nil || m.ID != filepath.Base(path) {
		return member{}, nil
	}
	return m, nil
}

// hostsFor is the /etc/hosts of one member: its own lines, then those of each network's
// members, itself first.
func hostsFor(own member, members []member) string {
	var text strings.Builder
	text.WriteString(own.Base)
	for _, network := range slices.Sorted(maps.Keys(own.Networks)) {
		self := own.Networks[network]
		if own.Hostname != "" && !slices.Contains(self.Names, own.Hostname) {
			self.Names = append(slices.Clone(self.Names), own.Hostname)
		}
		writeEndpoint(&text, self)
		answered := readyNames(network, members)
		for _, other := range members {
			if endpoint, ok := other.Networks[network]; ok && other.ID != own.ID {
				if other.Unready {
					endpoint.Names = slices.DeleteFunc(slices.Clone(endpoint.Names), func(name string) bool { return answered[name] })
				}
				writeEndpoint(&text, endpoint)
			}
		}
	}
	return text.String()
}

// readyNames are those that some ready member of a network answers to.
func readyNames(network string, members []member) map[string]bool {
	names := map[string]bool{}
	for _, m := range members {
		for _, name := range m.Networks[network].Names {
			names[name] = names[name] || !m.Unready
		}
	}
	return names
}

func writeEndpoint(text *strings.Builder, e endpoint) {
	if len(e.Names) == 0 {
		return
	}
	for _, address := range e.Addresses {
		fmt.Fprintf(text, "%s\t%s\n", address, strings.Join(e.Names, " "))
	}
}

// writeHosts writes in place: the file is bind mounted, so a new one would not be seen.
func writeHosts(id, text string) error {
	file, err := os.OpenFile(ownFile(id, "hosts"), os.O_CREATE|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its directory is gone: the container is being cleaned up
	}
	if err != nil {
		return err
	}
	_, err = file.WriteAt([]byte(text), 0)
	return errors.Join(err, file.Truncate(int64(len(text))), file.Close())
}

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
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// Containers find each other by name through /etc/hosts, which the launchers keep right
// at every start and stop: names work with no resolver to run, to configure or to fail.
//
// Each member of a network has the lines of all in its /etc/hosts. What a start costs must hardly grow
// with their number, so the lines are worked out once, and each file gets what is different in them.

// neighbours are the members of a network, in the order in which they came. They are on record in
// [bundle.NamesDir], so that nobody has to read all members' files; without the record they are.
type neighbours []neighbour

// neighbour is what others need to know of a member.
type neighbour struct {
	ID string `json:"id"`
	bundle.Endpoint
	Unready bool `json:"unready,omitempty"`
	// Base is how long that part of its /etc/hosts is, in bytes; -1 for one whose file is written as a whole: it is
	// on other networks too, whose lines come between, or it did not let its file be written the last time.
	Base int `json:"base"`
}

// namesLock guards [bundle.MembersDir], [bundle.NamesDir] and all /etc/hosts.
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

// ownHosts are the lines for a host name that neighbours do not know its container by.
func ownHosts(m bundle.Member) string {
	var text strings.Builder
	for _, network := range slices.Sorted(maps.Keys(m.Networks)) {
		if end := m.Networks[network]; m.Hostname != "" && !slices.Contains(end.Names, m.Hostname) {
			writeLines(&text, bundle.Endpoint{Names: []string{m.Hostname}, Addresses: end.Addresses})
		}
	}
	return text.String()
}

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
	m, err := readMember(memberFile(id))
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

// answerFor reports whether others than this one are ready and have one of its names.
func (all neighbours) answerFor(id string) bool {
	var names []string
	for _, n := range all {
		if n.ID == id {
			names = n.Names
		}
	}
	return slices.ContainsFunc(all, func(n neighbour) bool {
		return n.ID != id && !n.Unready && slices.ContainsFunc(n.Names, func(name string) bool { return slices.Contains(names, name) })
	})
}

// memberFile is where a member is on record.
func memberFile(id string) string { return filepath.Join(bundle.MembersDir, id) }

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
	if err := os.WriteFile(filepath.Join(bundle.MembersDir, m.ID), text, 0o600); err != nil {
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

// tell writes the /etc/hosts of each neighbour. One that does not let its file be written costs no other container
// anything: its file is written as a whole at the next change. Any other error is the node's, and ends this.
func (all neighbours) tell(write func(neighbour) error) (refused map[string]error, err error) {
	refused = map[string]error{}
	for i, n := range all {
		err := write(n)
		if untrusted.IsRefusal(err) {
			refused[n.ID], all[i].Base = err, -1
		} else if err != nil {
			return refused, err
		}
	}
	return refused, nil
}

// rewriteHosts writes the /etc/hosts of a member that has one.
func rewriteHosts(id string) error {
	if _, err := os.Lstat(bundle.EtcFile(id, "hosts")); errors.Is(err, fs.ErrNotExist) {
		return nil // it is just coming, and writes its own, or it has gone
	}
	m, err := readMember(filepath.Join(bundle.MembersDir, id))
	if errors.Is(err, fs.ErrNotExist) || err == nil && m.ID == "" {
		return nil
	}
	if err != nil {
		return err
	}
	return writeAllHosts(m)
}

// asNeighbour is a member as those of one of its networks need to know it.
func asNeighbour(m bundle.Member, network string) neighbour {
	base := len(m.Base)
	if len(m.Networks) > 1 {
		base = -1
	}
	return neighbour{ID: m.ID, Endpoint: m.Networks[network], Unready: m.Unready, Base: base}
}

// without is the neighbours without one.
func (all neighbours) without(id string) neighbours {
	return slices.DeleteFunc(slices.Clone(all), func(n neighbour) bool { return n.ID == id })
}

// with is the neighbours with one that is new, or is as given now.
func (all neighbours) with(one neighbour) neighbours {
	all = slices.Clone(all)
	if i := slices.IndexFunc(all, func(n neighbour) bool { return n.ID == one.ID }); i >= 0 {
		all[i] = one
		return all
	}
	return append(all, one)
}

// lines are those of a network's members in /etc/hosts.
func (all neighbours) lines() string {
	answered := map[string]bool{}
	for _, n := range all {
		for _, name := range n.Names {
			answered[name] = answered[name] || !n.Unready
		}
	}
	var text strings.Builder
	for _, n := range all {
		end := n.Endpoint
		if n.Unready {
			end.Names = slices.DeleteFunc(slices.Clone(end.Names), func(name string) bool { return answered[name] })
		}
		writeLines(&text, end)
	}
	return text.String()
}

func writeLines(text *strings.Builder, e bundle.Endpoint) {
	if len(e.Names) == 0 {
		return
	}
	for _, address := range e.Addresses {
		text.WriteString(address + "\t" + strings.Join(e.Names, " ") + "\n")
	}
}

// record keeps the neighbours for the next who comes or goes; none need no record.
func (all neighbours) record(network string) error {
	path := filepath.Join(bundle.NamesDir, network)
	if len(all) == 0 {
		return errors.Join(untrusted.RemoveAll(path), untrusted.RemoveAll(path+".new"))
	}
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(bundle.NamesDir, 0o700); err != nil {
		return err
	}
	// A launcher that is killed here leaves the old record, which lacks what it was about to tell: its
	// container's clean-up, or its next start, tells that.
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return disk.Replace(path, path+".new")
}

// recorded are the networks that have members.
func recorded() ([]string, error) {
	entries, err := os.ReadDir(bundle.NamesDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var networks []string
	for _, entry := range entries {
		if name := entry.Name(); !strings.HasSuffix(name, ".new") {
			networks = append(networks, name)
		}
	}
	return networks, err
}

// readRecord reads a network's record; ok is false for one that is missing or damaged.
func readRecord(network string) (all neighbours, ok bool) {
	text, err := os.ReadFile(filepath.Join(bundle.NamesDir, network))
	if err != nil || json.Unmarshal(text, &all) != nil {
		return nil, false
	}
	return all, true
}

// readNeighbours reads a network's record. One that is missing or damaged is made of the members' files, and of what
// the kernel knows of members whose files are lost: then it is not exactly what their /etc/hosts have.
func readNeighbours(network string) (all neighbours, exact bool, err error) {
	if all, exact = readRecord(network); exact {
		return all, true, nil
	}
	members, err := readMembers()
	if err != nil {
		return nil, false, err
	}
	lost, err := restoreMembers(network)
	for _, m := range slices.Concat(lost, members) {
		if _, ok := m.Networks[network]; ok {
			all = all.with(asNeighbour(m, network))
		}
	}
	return all, false, err
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

// writeAllHosts writes a running member's /etc/hosts.
func writeAllHosts(m bundle.Member) error {
	text, err := allHosts(m)
	if err != nil {
		return err
	}
	return writeHosts(m.ID, text)
}

// allHosts is a member's /etc/hosts: its own lines, then those of each network's members.
func allHosts(m bundle.Member) (string, error) {
	text := m.Base
	for _, network := range slices.Sorted(maps.Keys(m.Networks)) {
		all, _, err := readNeighbours(network)
		if err != nil {
			return "", err
		}
		text += all.lines()
	}
	return text, nil
}

// writeHosts writes the file of a running container in place: it is bind mounted, so a new one would not be seen.
func writeHosts(id, text string) error {
	file, err := untrusted.Open(bundle.EtcFile(id, "hosts"), unix.O_WRONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the container is just coming, and writes its own, or it is being cleaned up
	}
	if err != nil {
		return err
	}
	_, err = file.WriteAt([]byte(text), 0)
	return errors.Join(err, file.Truncate(int64(len(text))), file.Close())
}

package network

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// neighbours are the members of a network, in the order in which they joined. They are recorded in [bundle.NamesDir],
// so that a start does not have to read the files of all members; without the record it does.
type neighbours []neighbour

// neighbour is the part of a member that the others need.
type neighbour struct {
	ID string `json:"id"`
	bundle.Endpoint
	Unready bool `json:"unready,omitempty"`
	// Base is how long that part of its /etc/hosts is, in bytes; -1 for one whose file is written as a whole: it is
	// on other networks too, whose lines come between, or it did not let its file be written the last time.
	Base int `json:"base"`
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
	// A launcher that is killed here leaves the old record, which lacks this change: its container's clean-up, or its
	// next start, writes it.
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

// readNeighbours reads a network's record. If it is missing or damaged, it is derived from the members' files, and from
// the kernel's state for members whose files are lost: it may then differ from their /etc/hosts.
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

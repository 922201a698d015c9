package network

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// Containers find each other by name through /etc/hosts, which the launchers update at every start and stop: names work
// without a resolver to run, to configure or to fail.
//
// Each member of a network has the lines of all in its /etc/hosts. The cost of a start must hardly grow with their
// number, so the lines are computed once, and only the part that differs is written to each file.

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

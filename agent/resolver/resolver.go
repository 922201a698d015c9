// Package resolver decides the content of a container's /etc/resolv.conf: the node's name servers, as far as the
// container can reach them, and the additions of its manifest. It writes the file of a container that runs, and it
// never trusts the container's changes to that file. It must never know networks, units or manifests.
package resolver

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"github.com/davit-project/davit/units/bundle"
)

// File is the file of a running container or sandbox that it sees as /etc/resolv.conf.
func File(id string) string { return bundle.EtcFile(id, "resolv.conf") }

// Text is a container's resolv.conf(5), made of the node's part. The resolver library takes the first three
// name servers and the last search line. A text that depends on the node has a mark, see [isMarked].
func Text(dns bundle.DNS, node []byte) []byte {
	var text bytes.Buffer
	for _, server := range dns.Servers {
		fmt.Fprintf(&text, "nameserver %s\n", server)
	}
	if !dns.Only {
		text.Write(node)
		if len(node) > 0 && node[len(node)-1] != '\n' {
			text.WriteByte('\n')
		}
	}
	if len(dns.Searches) > 0 {
		fmt.Fprintf(&text, "search %s\n", strings.Join(dns.Searches, " "))
	}
	if len(dns.Options) > 0 {
		fmt.Fprintf(&text, "options %s\n", strings.Join(dns.Options, " "))
	}
	if dns.Only {
		return text.Bytes()
	}
	return marked(text.Bytes())
}

// reachable drops the name servers on loopback addresses, which another network namespace does not reach.
func reachable(text []byte) []byte {
	var kept bytes.Buffer
	for line := range bytes.Lines(text) {
		if address, ok := server(line); !ok || !address.IsLoopback() {
			kept.Write(line)
		}
	}
	return kept.Bytes()
}

// HasServer reports whether a resolv.conf(5) names a server.
func HasServer(text []byte) bool {
	for line := range bytes.Lines(text) {
		if _, ok := server(line); ok {
			return true
		}
	}
	return false
}

// server is the address of a line that names a server; the zero address is one that is no plain address.
func server(line []byte) (address netip.Addr, ok bool) {
	fields := strings.Fields(string(line))
	if len(fields) < 2 || fields[0] != "nameserver" {
		return netip.Addr{}, false
	}
	address, err := netip.ParseAddr(fields[1])
	if err != nil {
		return netip.Addr{}, true
	}
	return address, true
}

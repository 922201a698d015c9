package launch

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/units/bundle"
)

// ownFile is a file of the container's own directory, which the container sees as
// /etc/<name>.
func ownFile(id, name string) string {
	return filepath.Join(bundle.AttachmentsDir, id, name)
}

// writeFiles writes the files of /etc that depend on the node and the network. /etc/hosts
// was written when the network was connected.
func (r *run) writeFiles() error {
	if r.Sandbox != "" {
		return nil // it has them
	}
	if err := os.WriteFile(ownFile(r.ID, "hostname"), []byte(r.Spec.Hostname+"\n"), 0o644); err != nil {
		return err
	}
	resolver, err := r.resolver()
	if err != nil {
		return err
	}
	return os.WriteFile(ownFile(r.ID, "resolv.conf"), resolver, 0o644)
}

// fileMounts mounts those files over the init layer's empty ones.
func (r *run) fileMounts() []specs.Mount {
	options := []string{"bind", "rprivate", "nosuid", "nodev", "noexec"}
	if r.users != nil {
		options = append(options, "idmap")
	}
	var mounts []specs.Mount
	for _, name := range []string{"hosts", "hostname", "resolv.conf"} {
		mounts = append(mounts, specs.Mount{
			Type: "bind", Source: ownFile(r.shared(), name), Destination: "/etc/" + name, Options: options,
		})
	}
	return mounts
}

// resolver is the container's resolv.conf(5): the node's, the manifest's, or both. The resolver
// library takes the first three name servers and the last search line.
func (r *run) resolver() ([]byte, error) {
	var text bytes.Buffer
	for _, server := range r.DNS.Servers {
		fmt.Fprintf(&text, "nameserver %s\n", server)
	}
	if !r.DNS.Only {
		node, err := resolverFile(r.Network.Mode)
		if err != nil {
			return nil, err
		}
		text.Write(node)
	}
	if len(r.DNS.Searches) > 0 {
		fmt.Fprintf(&text, "search %s\n", strings.Join(r.DNS.Searches, " "))
	}
	if len(r.DNS.Options) > 0 {
		fmt.Fprintf(&text, "options %s\n", strings.Join(r.DNS.Options, " "))
	}
	return text.Bytes(), nil
}

// resolverFile returns the node's resolv.conf(5) for a container. A name server on the
// node's loopback cannot be reached from another network namespace; where that is
// systemd-resolved, the servers it asks itself are in a file of their own
// (systemd-resolved.service(8)).
func resolverFile(mode string) ([]byte, error) {
	const node, resolved = "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"
	text, err := os.ReadFile(node)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if mode != bundle.NetworkCNI {
		return text, nil // it reaches the node's, or none at all
	}
	reachable, servers := withoutLoopback(text)
	if servers > 0 {
		return reachable, nil
	}
	text, err = os.ReadFile(resolved)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(os.Stderr, "davit-run: the node's name servers are on its loopback: the container can look up no names but its neighbours'")
		return reachable, nil
	}
	if err != nil {
		return nil, err
	}
	reachable, _ = withoutLoopback(text)
	return reachable, nil
}

// withoutLoopback drops the name servers on loopback addresses and counts the others.
func withoutLoopback(text []byte) (kept []byte, servers int) {
	var out bytes.Buffer
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && fields[0] == "nameserver" {
			if address, err := netip.ParseAddr(fields[1]); err == nil && address.IsLoopback() {
				continue
			}
			servers++
		}
		fmt.Fprintln(&out, lines.Text())
	}
	return out.Bytes(), servers
}

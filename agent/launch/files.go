package launch

import (
	"fmt"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/resolver"
	"github.com/davit-project/davit/agent/untrusted"
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
	if err := untrusted.WriteFile(ownFile(r.ID, "hostname"), []byte(r.Spec.Hostname+"\n"), 0o644); err != nil {
		return err
	}
	return untrusted.WriteFile(resolver.File(r.ID), r.resolver(), 0o644)
}

// fileMounts mounts those files over the init layer's empty ones.
func (r *run) fileMounts() []specs.Mount {
	options := []string{"bind", "rprivate", "nosuid", "nodev", "noexec"}
	if r.users != nil {
		options = append(options, "idmap")
	}
	var mounts []specs.Mount
	for _, name := range bundle.EtcFiles {
		mounts = append(mounts, specs.Mount{
			Type: "bind", Source: ownFile(r.shared(), name), Destination: "/etc/" + name, Options: options,
		})
	}
	return mounts
}

// resolver is the container's resolv.conf(5). A node without name servers has containers without.
func (r *run) resolver() []byte {
	if r.DNS.Only {
		return resolver.Text(r.DNS, nil)
	}
	node, err := resolver.Node(r.Network.Mode)
	if err != nil && len(r.DNS.Servers) == 0 {
		fmt.Fprintf(messages, "davit-run: %v: the container looks up no names but its neighbours'\n", err)
	}
	return resolver.Text(r.DNS, node)
}

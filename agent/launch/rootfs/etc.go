package rootfs

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/resolver"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// WriteFiles writes the files of /etc that depend on the node. A container of a pod has its sandbox's. /etc/hosts is
// written when the network is connected.
func WriteFiles(b *bundle.Bundle) error {
	if b.Sandbox != "" {
		return nil
	}
	if err := WriteFile(b, "hostname"); err != nil {
		return err
	}
	return WriteFile(b, "resolv.conf")
}

// WriteFile writes one of these files, by name.
func WriteFile(b *bundle.Bundle, name string) error {
	if name == "hostname" {
		return untrusted.WriteFile(bundle.EtcFile(b.ID, "hostname"), []byte(b.Spec.Hostname+"\n"), 0o644)
	}
	return untrusted.WriteFile(resolver.File(b.ID), resolverFile(b), 0o644)
}

// fileMounts mounts those files over the init layer's empty ones. Where the root filesystem is read-only, they are too.
func (r *Root) fileMounts() []specs.Mount {
	options := []string{"bind", "rprivate", "nosuid", "nodev", "noexec"}
	if r.users != nil {
		options = append(options, "idmap")
	}
	if r.Spec.Root.Readonly {
		options = append(options, "ro")
	}
	var mounts []specs.Mount
	for _, name := range bundle.EtcFiles {
		mounts = append(mounts, specs.Mount{
			Type: "bind", Source: bundle.EtcFile(record.Shared(r.Bundle), name), Destination: "/etc/" + name, Options: options,
		})
	}
	return mounts
}

// resolverFile is the container's resolv.conf(5). A node without name servers has containers without.
func resolverFile(b *bundle.Bundle) []byte {
	if b.DNS.Only {
		return resolver.Text(b.DNS, nil)
	}
	node, err := resolver.Node(b.Network.Mode)
	if err != nil && len(b.DNS.Servers) == 0 {
		fmt.Fprintf(messages, "davit-run: %v: the container looks up no names but its neighbours'\n", err)
	}
	return resolver.Text(b.DNS, node)
}

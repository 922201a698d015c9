package network

import (
	"fmt"
	"path/filepath"

	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/units/bundle"
)

// joinSandbox finds the namespaces that a container shares with the others of its pod, and returns their addresses.
func joinSandbox(b *bundle.Bundle) (addresses []string, err error) {
	shared, err := record.ReadBundle(filepath.Dir(bundle.RunningBundle(b.Sandbox)))
	if err != nil {
		return nil, fmt.Errorf("its sandbox is not up: %w: try systemctl start %s", err, b.Sandbox)
	}
	for i, namespace := range b.Spec.Linux.Namespaces {
		if namespace.Path == bundle.SandboxPath {
			b.Spec.Linux.Namespaces[i].Path = bundle.SandboxFile(b.Sandbox, string(namespace.Type))
		}
	}
	if len(b.Env.Dynamic) == 0 {
		return nil, nil
	}
	own, err := readMember(bundle.MemberFile(b.Sandbox))
	if err != nil && len(shared.Network.Attachments) > 0 {
		return nil, fmt.Errorf("its sandbox has no network: %w", err)
	}
	for _, attachment := range shared.Network.Attachments {
		addresses = append(addresses, own.Networks[attachment.Network].Addresses...)
	}
	return addresses, nil
}

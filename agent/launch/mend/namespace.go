package mend

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/launch/runtime"
	"github.com/davit-project/davit/units/bundle"
)

// namespaceOf is the path of the network namespace of a container or sandbox that runs.
func namespaceOf(b *bundle.Bundle) (string, error) {
	if record.IsSandbox(b) {
		return bundle.SandboxFile(b.ID, string(specs.NetworkNamespace)), nil
	}
	pid, err := runtime.Of(b).Pid()
	return fmt.Sprintf("/proc/%d/ns/net", pid), err
}

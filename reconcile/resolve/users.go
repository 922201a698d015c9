package resolve

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// idMappings are mappings as the launcher takes them.
func idMappings(declared []v1.IDMapping) []specs.LinuxIDMapping {
	var mappings []specs.LinuxIDMapping
	for _, mapping := range declared {
		mappings = append(mappings, specs.LinuxIDMapping{
			ContainerID: uint32(mapping.ContainerID), HostID: uint32(mapping.HostID), Size: uint32(mapping.Count()),
		})
	}
	return mappings
}

// keptUser is the user of the node that a container runs as where its manifest says no other; it replaces the image's, as with
// podman run --userns=keep-id.
func keptUser(shared v1.SandboxFields) string {
	if shared.UserNamespace == nil || shared.UserNamespace.KeepID == nil {
		return ""
	}
	keep := *shared.UserNamespace.KeepID
	return fmt.Sprintf("%d:%d", keep.UID, keep.Group())
}

// lowestGroup is the group inside that has the lowest id of the node, and the first that sysctl net.ipv4.ping_group_range has:
// the kernel compares ids of the node. The range that a start draws lies above the ids of users.
func lowestGroup(shared v1.SandboxFields) int64 {
	var lowest *v1.IDMapping
	for _, mapping := range shared.UserNamespace.GIDs() {
		if mapping.ContainerID < maxOwnID && (lowest == nil || mapping.HostID < lowest.HostID) {
			lowest = &mapping
		}
	}
	if lowest == nil {
		return 0
	}
	return lowest.ContainerID
}

// maxOwnID is the last id that every workload with users of its own has.
const maxOwnID = 65535

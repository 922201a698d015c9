package resolve

import (
	"fmt"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// Settings of a container's own network, as with Docker, for programs that run as a user: every group may open the sockets that
// ping(8) needs without a capability, and every user may listen on ports below 1024 (ping_group_range and
// ip_unprivileged_port_start of https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html). None of them affects the
// node's network.
const (
	pingGroups = "net.ipv4.ping_group_range"
	firstPort  = "net.ipv4.ip_unprivileged_port_start"
)

// sysctls are the kernel settings of a container that is in no pod.
func sysctls(declared []v1.Sysctl, shared v1.SandboxFields) map[string]string {
	groups := "0 2147483647"
	if shared.OwnUsers() {
		groups = fmt.Sprintf("%d %d", lowestGroup(shared), maxOwnID) // the kernel takes only groups that its user namespace has
	}
	return withDeclared(declared, shared, groups)
}

// sharedSysctls are the kernel settings of a pod. The launcher makes them outside of the pod's user namespace.
func sharedSysctls(box sandbox) map[string]string {
	return withDeclared(box.sysctls, box.SandboxFields, "0 2147483647")
}

// withDeclared are those of a network of its own, and those of the manifest, which go first.
func withDeclared(declared []v1.Sysctl, shared v1.SandboxFields, groups string) map[string]string {
	settings := map[string]string{}
	if !shared.HostNetwork {
		settings[pingGroups], settings[firstPort] = groups, "0"
	}
	for _, sysctl := range declared {
		settings[sysctl.Name] = sysctl.Value
	}
	if len(settings) == 0 {
		return nil
	}
	return settings
}

package resolve_test

import (
	"maps"
	"testing"

	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
)

// TestSettingsOfANetworkOfItsOwn checks the settings of every container's own network, which the manifest's override.
func TestSettingsOfANetworkOfItsOwn(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]map[string]string{
		"restartPolicy: Always":                                       {resolve.PingGroups: "0 2147483647", resolve.FirstPort: "0"},
		"hostUsers: false":                                            {resolve.PingGroups: "0 65535", resolve.FirstPort: "0"},
		"userNamespace: {keepID: {uid: 1000}}":                        {resolve.PingGroups: "1000 65535", resolve.FirstPort: "0"},
		"userNamespace: {uidMappings: [{containerID: 0, hostID: 9}]}": {resolve.PingGroups: "0 65535", resolve.FirstPort: "0"},
		"userNamespace: {gidMappings: [{containerID: 7, hostID: 90, size: 2}, {containerID: 9999, hostID: 80}]}": {resolve.PingGroups: "9999 65535", resolve.FirstPort: "0"},
		"hostNetwork: true": nil,
		"securityContext: {sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: '1024'}, {name: kernel.msgmax, value: '9'}]}": {
			resolve.PingGroups: "0 2147483647", resolve.FirstPort: "1024", "kernel.msgmax": "9",
		},
	} {
		got := reconciletest.Resolve(t, reconciletest.Container("web", spec), reconciletest.Command).Workloads["web.service"].Bundle.Spec.Linux.Sysctl
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", spec, got, want)
		}
	}
}

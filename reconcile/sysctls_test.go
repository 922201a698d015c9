package reconcile

import (
	"maps"
	"testing"
)

// TestSettingsOfANetworkOfItsOwn has what every container may do in its own network, and the manifest's word before that.
func TestSettingsOfANetworkOfItsOwn(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]map[string]string{
		"restartPolicy: Always":                                       {pingGroups: "0 2147483647", firstPort: "0"},
		"hostUsers: false":                                            {pingGroups: "0 65535", firstPort: "0"},
		"userNamespace: {keepID: {uid: 1000}}":                        {pingGroups: "1000 65535", firstPort: "0"},
		"userNamespace: {uidMappings: [{containerID: 0, hostID: 9}]}": {pingGroups: "0 65535", firstPort: "0"},
		"userNamespace: {gidMappings: [{containerID: 7, hostID: 90, size: 2}, {containerID: 9999, hostID: 80}]}": {pingGroups: "9999 65535", firstPort: "0"},
		"hostNetwork: true": nil,
		"securityContext: {sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: '1024'}, {name: kernel.msgmax, value: '9'}]}": {
			pingGroups: "0 2147483647", firstPort: "1024", "kernel.msgmax": "9",
		},
	} {
		got := resolve(t, container("web", spec), command).Workloads["web.service"].Bundle.Spec.Linux.Sysctl
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", spec, got, want)
		}
	}
}

package check_test

import (
	"strings"
	"testing"
)

func TestUsersAreChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{spec("hostUsers: false", "hostNetwork: true"), `spec.hostUsers: users of its own have no power over the node's: leave hostNetwork out`},
		{spec("hostUsers: false", "runtime: crun"), `spec.runtime: with hostUsers: false containers run by davit's own runtime`},
		{spec("hostUsers: false", "hostPID: true"), `spec.hostUsers: users`},
		{spec("userNamespace: {keepID: {uid: 1000}}", "hostIPC: true"), `spec.userNamespace: users of its own have no power over the node's: leave hostIPC out`},
		{spec("userNamespace: {keepID: {uid: 1000}}", "hostUsers: true"), `spec.userNamespace: hostUsers: true has the users of the node`},
		{spec("userNamespace: {keepID: {gid: 1000}}"), `spec.userNamespace.keepID.uid: missing`},
		{spec("userNamespace: {keepID: {uid: 4294967295}}"), `spec.userNamespace.keepID.uid: 4294967295 is not a user or group id`},
		{spec("userNamespace: {uidMappings: [{containerID: 0, hostID: -1}]}"), `spec.userNamespace.uidMappings[0].hostID: -1 is not`},
		{spec("userNamespace: {gidMappings: [{containerID: 0, hostID: 4294967290, size: 6}]}"), `spec.userNamespace.gidMappings[0].hostID: 6 ids from 4294967290 on go past the last one`},
		{spec("userNamespace: {gidMappings: [{containerID: 0, hostID: 1, size: -6}]}"), `spec.userNamespace.gidMappings[0].size: -6: want 1 or more`},
		{spec("userNamespace: {uidMappings: [{containerID: 0, hostID: 10, size: 5}, {containerID: 4, hostID: 20}]}"), `spec.userNamespace.uidMappings[1].containerID: id 4 of the container is mapped twice`},
		{spec("userNamespace: {keepID: {uid: 12}, uidMappings: [{containerID: 0, hostID: 10, size: 5}]}"), `spec.userNamespace.uidMappings[0].hostID: id 12 of the node is mapped twice`},
		{spec("userNamespace: {uidMappings: [" + strings.Repeat("{containerID: 1, hostID: 1}, ", 33) + "]}"), `spec.userNamespace.uidMappings: 33 mappings are more than 32`},
	})
}

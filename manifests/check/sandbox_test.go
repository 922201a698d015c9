package check_test

import (
	"strings"
	"testing"
)

func TestSandboxesAreChecked(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 256)
	wantRefused(t, []refused{
		{spec("terminationGracePeriodSeconds: 2147483648"), `spec.terminationGracePeriodSeconds: 2147483648: want at most 2147483647, which are 68 years`},
		{spec("hostname: " + strings.Repeat("a", 65)), `spec.hostname: 65 bytes are more than Linux allows (64)`},
		{spec("hostAliases: [{ip: x, hostnames: [a]}]"), `spec.hostAliases[0].ip: "x" is not an IP address`},
		{spec("hostAliases: [{ip: '::1', hostnames: ['a b']}]"), `spec.hostAliases[0].hostnames[0]: "a b" is not a host name`},
		{spec("timeZone: ../../etc/shadow"), `spec.timeZone: "../../etc/shadow": want the name of a time zone such as`},
		{spec("timeZone: Europe/Berlim"), `spec.timeZone: "Europe/Berlim": want the name of a time zone such as`},
		{spec("shmSize: -1"), `spec.shmSize: "-1": want a positive quantity`},
		{spec("hostIPC: true", "shmSize: 1Mi"), `spec.shmSize: hostIPC has the node's shared memory`},
		{spec("maxRestarts: -1"), `spec.maxRestarts: -1: want 0 or more`},
		{spec("terminationGracePeriodSeconds: -1"), `spec.terminationGracePeriodSeconds: -1: want 0 or more`},
		{spec("runtime: bin/crun"), `spec.runtime: "bin/crun": want the name of a program such as crun, or its absolute path`},
		{spec("runtime: " + long), `spec.runtime: "` + long + `": want the name of a program such as crun, or its absolute path`},
		{spec("runtime: /usr/../crun"), `spec.runtime: "/usr/../crun": want an absolute path without . and ..`},
		{spec("runtime: /" + strings.Repeat("a", 255)), `spec.runtime: 256 bytes are more than 255`},
	})
}

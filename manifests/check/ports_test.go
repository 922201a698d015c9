package check_test

import (
	"testing"
)

func TestPortsAreChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{spec("ports: [{containerPort: 0}]"), `spec.ports[0].containerPort: want a port from 1 to 65535`},
		{spec("ports: [{containerPort: 80, endPort: 79}]"), `spec.ports[0].endPort: 79 is below containerPort 80`},
		{spec("ports: [{containerPort: 80, hostPort: 65536}]"), `spec.ports[0].hostPort: want ports from 1 to 65535`},
		{spec("ports: [{containerPort: 80, hostPort: 80, autoHostPort: true}]"), `spec.ports[0].autoHostPort: there is hostPort already`},
		{spec("ports: [{containerPort: 80, endPort: 81, autoHostPort: true}]"), `spec.ports[0].autoHostPort: a range needs hostPort`},
		{spec("hostNetwork: true", "ports: [{containerPort: 80, autoHostPort: true}]"), `spec.ports[0].autoHostPort: with hostNetwork`},
		{spec("networks: [{name: none}]", "ports: [{containerPort: 80, autoHostPort: true}]"), `spec.ports[0].autoHostPort: network none`},
		{spec("ports: [{containerPort: 80, protocol: ICMP}]"), `spec.ports[0].protocol: unknown value "ICMP"`},
		{spec("ports: [{containerPort: 80, hostIP: localhost}]"), `spec.ports[0].hostIP: "localhost" is not an IP address`},
		{spec("hostNetwork: true", "ports: [{containerPort: 80, hostPort: 81}]"), `spec.ports[0].hostPort: with hostNetwork`},
	})
}

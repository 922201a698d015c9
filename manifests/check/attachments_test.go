package check_test

import (
	"testing"
)

func TestAttachmentsAreChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{spec("hostNetwork: true", "networks: [{name: a}]"), `spec.networks: hostNetwork has the node's networks`},
		{spec("networks: [{name: none}, {name: a}]"), `spec.networks[0].name: none stands alone`},
		{spec("networks: [{name: a}, {name: a}]"), `spec.networks[1].name: network a appears twice`},
		{spec("networks: [{name: a, aliases: ['x y']}]"), `spec.networks[0].aliases[0]: "x y" is not a host name`},
		{spec("networks: [{name: a, addresses: [10.0.0]}]"), `spec.networks[0].addresses[0]: "10.0.0" is not an IP address`},
		{spec("networks: [{name: a, addresses: [10.0.0.1, 10.0.0.2]}]"), `spec.networks[0].addresses[1]: want at most one IPv4`},
		{spec("networks: [{name: none, addresses: [10.0.0.1]}]"), `spec.networks[0].addresses[0]: network none has no addresses`},
		{spec("networks: [{name: a, macAddress: '01:00:00:00:00:01'}]"), `spec.networks[0].macAddress: "01:00:00:00:00:01": want a unicast`},
	})
}

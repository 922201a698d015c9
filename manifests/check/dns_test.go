package check_test

import (
	"testing"
)

func TestDNSIsChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{spec("dnsPolicy: Cluster"), `spec.dnsPolicy: unknown value "Cluster"`},
		{spec("dnsPolicy: None"), `spec.dnsPolicy: None needs dnsConfig.nameservers`},
		{spec("dnsConfig: {nameservers: [dns.example]}"), `spec.dnsConfig.nameservers[0]: "dns.example" is not an IP address`},
		{spec("dnsConfig: {nameservers: ['::1', '::2', '::3', '::4']}"), `spec.dnsConfig.nameservers: want at most 3`},
		{spec("dnsConfig: {searches: ['a b']}"), `spec.dnsConfig.searches[0]: "a b" is not a host name`},
		{spec(`dnsConfig: {options: [{name: "ndots\nnameserver"}]}`), `spec.dnsConfig.options[0]: "ndots\nnameserver" is not an option`},
	})
}

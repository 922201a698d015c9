package check_test

import (
	"testing"
)

func TestNetworksAreChecked(t *testing.T) {
	t.Parallel()
	wantRefused(t, []refused{
		{manifest("Network", "spec: {interface: a/b}"), `spec.interface: "a/b": want at most 15`},
		{manifest("Network", "spec: {mtu: 1}"), `spec.mtu: 1: want 68 to 65535`},
		{manifest("Network", "spec: {plugins: [{type: a}], internal: true}"), `spec.plugins: the plugins say it all`},
		{manifest("Network", "spec: {plugins: [{}]}"), `spec.plugins[0].type: want the name of a CNI plugin`},
		{manifest("Network", "spec: {subnets: [{subnet: 169.254.169.0/24}]}"), `spec.subnets[0].subnet: 169.254.169.0/24 overlaps 169.254.0.0/16, the link-local addresses`},
		{manifest("Network", "spec: {subnets: [{subnet: '::ffff:10.0.0.0/104'}]}"), `spec.subnets[0].subnet: ::ffff:10.0.0.0/104 overlaps ::/8, the loopback, mapped`},
		{manifest("Network", "spec: {subnets: [{subnet: 0.0.0.0/0}]}"), `spec.subnets[0].subnet: 0.0.0.0/0 is a default route`},
		{manifest("Network", "spec: {subnets: [{subnet: 10.0.0.0/24, gateway: 10.1.0.1}]}"), `spec.subnets[0].gateway: "10.1.0.1" is not an address of`},
	})
}

func TestNetworksThatClash(t *testing.T) {
	t.Parallel()
	network := func(name, spec string) string {
		return "apiVersion: davit/v1\nkind: Network\nmetadata: {name: " + name + "}\nspec: {" + spec + "}\n---\n"
	}
	for spec, want := range map[string]string{
		"subnets: [{subnet: 10.0.0.0/16}]": "app.yaml:4:27: spec.subnets[0].subnet: 10.0.0.0/16 overlaps 10.0.1.0/24 of Network/b, in app.yaml:9:43",
		"interface: br7":                   "app.yaml:4:19: spec.interface: br7 is the bridge of Network/b, in app.yaml:9:19",
	} {
		set := loadText(network("a", spec) + network("b", "interface: br7, subnets: [{subnet: 10.0.1.0/24}]"))
		if len(set.Diagnostics) != 2 || len(set.Objects) != 0 {
			t.Fatalf("%s: %v", spec, set.Diagnostics)
		}
		if got := set.Diagnostics[0].String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

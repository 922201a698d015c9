package network

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/bridge"
	"github.com/davit-project/davit/units/bundle"
)

func TestAMemberIsMadeOfItsBundleAndOfItsPort(t *testing.T) {
	t.Parallel()
	subnets := []bundle.Subnet{{Subnet: netip.MustParsePrefix("10.50.0.0/24"), Gateway: netip.MustParseAddr("10.50.0.1")}}
	conflist, err := bundle.BridgeNetwork{Name: "shop", Device: "dv-shop", Subnets: subnets}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle.Bundle{Spec: &specs.Spec{Hostname: "web"}, Launch: bundle.Launch{ID: "web", Network: bundle.Network{
		Mode: bundle.NetworkCNI,
		Attachments: []bundle.Attachment{
			{Network: "plugins", Conflist: []byte(`{"cniVersion": "1.0.0", "name": "plugins", "plugins": [{"type": "bridge"}]}`)},
			{Network: "shop", Conflist: conflist, Names: []string{"web", "www"}},
		},
	}}}
	addresses := []netip.Addr{netip.MustParseAddr("10.50.0.7")}
	port := bridge.Port{Device: "dv-shop", Container: "web", Interface: "eth1", Addresses: addresses}
	got, ok := memberAt(b, port, "shop")
	want := bundle.Member{
		ID: "web", Hostname: "web", Base: baseHosts(b),
		Networks: map[string]bundle.Endpoint{"shop": {Names: []string{"web", "www"}, Addresses: []string{"10.50.0.7"}}},
	}
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("%v, %s", ok, diff)
	}
	for name, test := range map[string]struct {
		port    bridge.Port
		network string
	}{
		"another network": {port, "default"},
		"another bridge":  {bridge.Port{Device: "davit0", Interface: "eth1", Addresses: addresses}, "shop"},
		"another device":  {bridge.Port{Device: "dv-shop", Interface: "eth0", Addresses: addresses}, "shop"},
		"a CNI plugin's":  {bridge.Port{Device: "dv-shop", Interface: "eth0", Addresses: addresses}, "plugins"},
	} {
		if m, ok := memberAt(b, test.port, test.network); ok {
			t.Errorf("%s: %v", name, m)
		}
	}
}

package resolve_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
)

// networkText is a manifest of a network.
func networkText(name, spec string) string {
	return reconciletest.Header + "Network\nmetadata: {name: " + name + "}\nspec: {" + spec + "}\n---\n"
}

func TestNetworksAreApartFromTheNode(t *testing.T) {
	t.Parallel()
	node := reconciletest.TestNode
	node.Devices = []string{"br0"}
	node.Ranges = []resolve.Range{
		{Prefix: netip.MustParsePrefix("192.168.1.0/24"), Device: "eth0"},
		{Prefix: netip.MustParsePrefix("10.9.0.0/16"), Device: "wg0", Routed: true},
		{Prefix: netip.MustParsePrefix("fd64:6176:6974::7/128"), Device: "tun0"},
		{Prefix: netip.MustParsePrefix("fd99::/48"), Device: "eth0"},
	}
	const lan = "subnets: [{subnet: 192.168.1.0/24}]"
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"one beside the node's": {networkText("lan", "subnets: [{subnet: 192.168.2.0/24}]"), nil},
		"the node's own": {networkText("lan", lan), []string{
			"Network/lan: subnet 192.168.1.0/24 of Network/lan overlaps 192.168.1.0/24 of the node's eth0: give the network other spec.subnets",
		}},
		"a part of it, and a container on it": {
			networkText("lan", "subnets: [{subnet: 192.168.1.128/25}]") + reconciletest.Container("web", "networks: [{name: lan}]"), []string{
				"Container/web: Network/lan: subnet 192.168.1.128/25 of Network/lan overlaps 192.168.1.0/24 of the node's eth0: give the network other spec.subnets",
				"Network/lan: subnet 192.168.1.128/25 of Network/lan overlaps 192.168.1.0/24 of the node's eth0: give the network other spec.subnets",
			},
		},
		"one around what it has a route to": {networkText("lan", "subnets: [{subnet: 10.0.0.0/8}]"), []string{
			"Network/lan: subnet 10.0.0.0/8 of Network/lan overlaps 10.9.0.0/16, which the node reaches through wg0: give the network other spec.subnets",
		}},
		"IPv6": {networkText("lan", "subnets: [{subnet: 10.20.0.0/24}, {subnet: 'fd99:0:0:7::/64'}]"), []string{
			"Network/lan: subnet fd99:0:0:7::/64 of Network/lan overlaps fd99::/48 of the node's eth0: give the network other spec.subnets",
		}},
		"the default network": {reconciletest.Container("web"), []string{
			"Container/web: subnet fd64:6176:6974::/64 of Network/default overlaps fd64:6176:6974::7/128 of the node's tun0: give the network other spec.subnets",
		}},
		"a default network that was declared": {networkText("default", "subnets: [{subnet: 10.20.0.0/24}]") + reconciletest.Container("web"), nil},
		"a device of the node": {networkText("lan", "interface: br0"), []string{
			"Network/lan: interface br0 of Network/lan is a device of the node that davit did not make: give the network another spec.interface",
		}},
		"a device that another network has by its name": {networkText("a", "interface: dv-b") + networkText("b", "subnets: [{subnet: 10.20.0.0/24}]"), []string{
			"Network/b: interface dv-b of Network/b is Network/a's already: give one of them another spec.interface",
		}},
		"one that overlaps what davit picked": {networkText("a", "subnets: [{subnet: 10.89.2.0/24}]") + reconciletest.Container("web"), []string{
			"Container/web: subnet 10.89.0.0/22 of Network/default overlaps 10.89.2.0/24 of Network/a: give one of them other spec.subnets",
		}},
		"what plugins say is theirs": {networkText("lan", "plugins: [{type: bridge, bridge: br0, ipam: {subnet: 192.168.1.0/24}}]"), nil},
	} {
		objects := reconciletest.Load(t, test.text)
		desired := resolve.Resolve(resolve.Input{Objects: objects, Images: reconciletest.Resolved(objects, reconciletest.Command), Node: node})
		var got []string
		for _, problem := range desired.Problems {
			got = append(got, problem.Ref.String()+": "+problem.Err.Error())
			if name, network := strings.CutPrefix(problem.Ref.String(), "Network/"); network {
				if _, made := desired.Networks[name]; made {
					t.Errorf("%s: %s is made", name, problem.Ref)
				}
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestBridgesAreThoseOfDavitsNetworks(t *testing.T) {
	t.Parallel()
	objects := reconciletest.Load(t, networkText("lan", "interface: lan0")+networkText("wan", "mtu: 1400")+networkText("own", "plugins: [{type: bridge}]")+reconciletest.Container("web"))
	if diff := cmp.Diff([]string{"davit0", "dv-wan", "lan0"}, resolve.Bridges(objects)); diff != "" {
		t.Error(diff)
	}
}

package nat

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/davit-project/davit/units/bundle"
)

func TestRuleIsForWhatLeavesTheSubnet(t *testing.T) {
	t.Parallel()
	for subnet, want := range map[string][]expr.Any{
		"10.89.4.0/22": {
			&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{2}},
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: []byte{255, 255, 252, 0}, Xor: make([]byte, 4)},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{10, 89, 4, 0}},
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: []byte{255, 255, 252, 0}, Xor: make([]byte, 4)},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{10, 89, 4, 0}},
			&expr.Masq{},
		},
	} {
		got := leaving(netip.MustParsePrefix(subnet))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", subnet, diff)
		}
	}
}

func TestAnInternalNetworkHasNoWayOut(t *testing.T) {
	t.Parallel()
	network := bundle.BridgeNetwork{Name: "app", Subnets: []bundle.Subnet{
		{Subnet: netip.MustParsePrefix("10.5.0.0/16")}, {Subnet: netip.MustParsePrefix("fd05::/64")},
	}}
	if rules := masquerading(network); len(rules) != len(network.Subnets) {
		t.Errorf("got %v", rules)
	}
	network.Internal = true
	if rules := masquerading(network); len(rules) > 0 {
		t.Errorf("got %v", rules)
	}
}

func TestForwarding(t *testing.T) {
	t.Parallel()
	web := bundle.Port{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}
	on := func(address string) bundle.Port { port := web; port.HostIP = address; return port }
	for name, test := range map[string]struct {
		port    bundle.Port
		to      string
		matched []byte // the address of the node that is asked for
		nothing bool
	}{
		"every address":                  {web, "10.89.0.2", nil, false},
		"one address":                    {on("192.0.2.1"), "10.89.0.2", []byte{192, 0, 2, 1}, false},
		"all of IPv4":                    {on("0.0.0.0"), "10.89.0.2", nil, false},
		"all of IPv4, and IPv6":          {on("0.0.0.0"), "fd64::2", nil, true},
		"an address of the other kind":   {on("192.0.2.1"), "fd64::2", nil, true},
		"an IPv6 address for IPv6":       {on("fd00::1"), "fd64::2", netip.MustParseAddr("fd00::1").AsSlice(), false},
		"localhost, which only IPv4 can": {on("127.0.0.1"), "10.89.0.2", []byte{127, 0, 0, 1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			to := netip.MustParseAddr(test.to)
			rule, err := forwarding(test.port, to)
			if err != nil {
				t.Fatal(err)
			}
			if (rule == nil) != test.nothing {
				t.Fatalf("got %v", rule)
			}
			if test.nothing {
				return
			}
			compares := func(data []byte) bool {
				return slices.ContainsFunc(rule, func(e expr.Any) bool {
					c, ok := e.(*expr.Cmp)
					return ok && bytes.Equal(c.Data, data)
				})
			}
			if !compares([]byte{8080 >> 8, 8080 & 0xff}) || !compares([]byte{6}) || test.matched != nil && !compares(test.matched) {
				t.Errorf("the rule matches something else: %v", rule)
			}
			if test.matched == nil && len(rule) != 9 {
				t.Errorf("the rule matches more: %v", rule)
			}
		})
	}
	if _, err := forwarding(on("everywhere"), netip.MustParseAddr("10.0.0.1")); err == nil {
		t.Error("an address that is none is taken")
	}
}

func TestARuleIsFoundAgainByItsNetwork(t *testing.T) {
	t.Parallel()
	if got := ownerOf(&nftables.Rule{UserData: marked("app 10.0.0.0/24")}); got != "app" {
		t.Errorf("got %q", got)
	}
	if got := ownerOf(&nftables.Rule{}); got != "" {
		t.Errorf("a rule of others is of network %q", got)
	}
}

func TestRulesThatShareAPort(t *testing.T) {
	t.Parallel()
	rules := []*nftables.Rule{
		{Handle: 1, UserData: marked("web@1 8081/tcp  10.89.0.2")},
		{Handle: 2, UserData: marked("web@2 8081/tcp  10.89.0.3")},
		{Handle: 3, UserData: marked("web@2 8082/tcp  10.89.0.3")},
		{Handle: 4, UserData: marked("dns 8081/udp  10.89.0.4")},
		{Handle: 5},
	}
	for container, want := range map[string]map[uint64]bool{
		"web@1": {2: true}, "web@2": {1: true}, "dns": {}, "other": {},
	} {
		if diff := cmp.Diff(want, sharedWith(rules, container)); diff != "" {
			t.Errorf("%s: %s", container, diff)
		}
	}
}

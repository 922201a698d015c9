package nat

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
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

func TestPortsOfSeveralContainersAreShared(t *testing.T) {
	t.Parallel()
	var rules []present
	for _, comment := range []string{
		"web@1 8081/tcp  10.89.0.2", "web@2 8081/tcp  10.89.0.3", "web@2 8082/tcp  10.89.0.3", "dns 8081/udp  10.89.0.4",
		"media 9000-9099/udp  10.89.0.5", "more 9099-9100/udp  10.89.0.6", "other 9000-9098/tcp  10.89.0.7", "",
	} {
		rules = append(rules, present{comment: comment})
	}
	published := publishedBy(rules)
	if len(published) != len(rules)-1 {
		t.Errorf("read %v", published)
	}
	for container, want := range map[string]bool{
		"web@1": true, "web@2": true, "dns": false, "media": true, "more": true, "other": false, "none": false,
	} {
		if got := isShared(published, container); got != want {
			t.Errorf("%s: got %v, want %v", container, got, want)
		}
	}
}

func TestARangeIsOneRule(t *testing.T) {
	t.Parallel()
	e := Endpoint{Container: "media", Addresses: []netip.Addr{netip.MustParseAddr("10.89.0.2"), netip.MustParseAddr("fd64::2")}}
	for _, count := range []int32{0, 100, 10_000, 65_535} {
		e.Ports = []bundle.Port{{HostPort: 1, ContainerPort: 1, Protocol: "udp", Count: count}}
		rules, err := e.publishing()
		if err != nil {
			t.Fatal(err)
		}
		rules = slices.DeleteFunc(rules, func(r rule) bool { return r.chain != ports || r.exprs == nil })
		if len(rules) != len(e.Addresses) {
			t.Errorf("%d ports are %d rules", count, len(rules))
		}
	}
}

// A davit that knew no ranges has made a rule for each port of containers that still run.
func TestRulesForEachPortOfARangeAreTheRange(t *testing.T) {
	t.Parallel()
	want := rule{chain: ports, comment: "media 9000-9002/udp 192.0.2.1 10.89.0.2"}
	comments := map[string]bool{"media 9000/udp 192.0.2.1 10.89.0.2": true, "media 9001/udp 192.0.2.1 10.89.0.2": true}
	if want.isAmong(comments) {
		t.Error("one port is missing, and it is not noticed")
	}
	comments["media 9002/udp 192.0.2.1 10.89.0.2"] = true
	if !want.isAmong(comments) {
		t.Error("the rules are not recognized")
	}
	if !want.isAmong(map[string]bool{want.comment: true}) {
		t.Error("the rule is not recognized")
	}
}

func TestAPortLeadsToAContainerThatIsNotReady(t *testing.T) {
	t.Parallel()
	udp := func(first, count int32) bundle.Port {
		return bundle.Port{HostPort: first, Protocol: "udp", Count: count}
	}
	content := tableContent{published: []owned{
		{udp(9000, 50), "ready"}, {udp(9000, 100), "starting"}, {udp(9000, 100), "waits"}, {udp(9200, 0), "alone"},
	}}
	unready := map[string]bool{"starting": true}
	if !content.isBehind(udp(9000, 100), ownerNamed("waits"), unready) {
		t.Error("half of the range leads to a container that is not ready, and it is not noticed")
	}
	for container, port := range map[string]bundle.Port{"ready": udp(9000, 50), "alone": udp(9200, 0)} {
		if content.isBehind(port, ownerNamed(container), unready) {
			t.Errorf("%s is taken to be behind another", container)
		}
	}
	content.prefer(ownerNamed("waits"))
	if content.isBehind(udp(9000, 100), ownerNamed("waits"), unready) {
		t.Error("it comes first and is taken to be behind")
	}
}

func TestPortsAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for _, port := range []bundle.Port{
		{HostPort: 8080, Protocol: "tcp"}, {HostPort: 9000, Protocol: "udp", Count: 100}, {HostPort: 1, Protocol: "sctp", Count: 65_535},
	} {
		if got, ok := parsePort(port.String()); !ok || got != port {
			t.Errorf("%s is read as %v, %v", port, got, ok)
		}
	}
	for _, text := range []string{"", "8080", "10.0.0.0/24", "9001-9000/tcp", "a/tcp", "1-65536/udp"} {
		if got, ok := parsePort(text); ok {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

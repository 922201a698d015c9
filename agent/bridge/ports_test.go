package bridge

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestAPortSaysWhoseItIs(t *testing.T) {
	t.Parallel()
	addresses := []netip.Prefix{netip.MustParsePrefix("10.89.0.7/22"), netip.MustParsePrefix("fd64:6176:6974::7/64")}
	for _, container := range []string{"web", "web.2", strings.Repeat("x", 127)} {
		end := Endpoint{Container: container, Interface: "eth1"}
		alias := aliasOf(end, addresses)
		if len(alias) > 255 {
			t.Errorf("the kernel refuses an alias of %d bytes", len(alias))
		}
		got, ok := portOf("davit0", alias+"\n")
		want := Port{Device: "davit0", Container: container, Interface: "eth1", Addresses: []netip.Addr{addresses[0].Addr(), addresses[1].Addr()}}
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); !ok || diff != "" {
			t.Errorf("%s: %v, %s", alias, ok, diff)
		}
	}
	for _, alias := range []string{"", "\n", "uplink", "davit", "davit web", "davit web eth0", "davit web eth0 here", "web eth0 10.89.0.7"} {
		if port, ok := portOf("davit0", alias); ok {
			t.Errorf("%q is taken for %v", alias, port)
		}
	}
}

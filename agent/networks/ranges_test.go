package networks

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/reconcile/resolve"
)

// TestRangesOfTheNode looks at a network namespace with devices of the node and of davit.
func TestRangesOfTheNode(t *testing.T) {
	inOwnNamespace(t)
	lo, err := netlink.LinkByName("lo")
	must(t, err)
	must(t, netlink.LinkSetUp(lo))
	address(t, lo, "10.255.0.1/32")
	eth0 := give(t, "eth0", "", "192.168.1.5/24", "2001:db8::5/64")
	address(t, eth0, "192.168.1.6/24")
	give(t, "davit0", "davit network default 10.89.0.1/22", "10.89.0.1/22", "fd64:6176:6974::1/64")
	give(t, "docker0", "", "172.17.0.1/16")
	wg0 := give(t, "wg0", "")
	gateway := net.ParseIP("192.168.1.1")
	for _, route := range []netlink.Route{
		{Gw: gateway},
		{Gw: gateway, Dst: ipNet("0.0.0.0/1")},
		{Gw: gateway, Dst: ipNet("128.0.0.0/1")},
		{LinkIndex: wg0.Attrs().Index, Dst: ipNet("10.9.0.0/16"), Table: 51820},
		{Dst: ipNet("10.0.0.0/8"), Type: unix.RTN_UNREACHABLE},
		{LinkIndex: wg0.Attrs().Index, Dst: ipNet("fd99::/48")},
		{Dst: ipNet("10.10.0.0/16"), MultiPath: []*netlink.NexthopInfo{{LinkIndex: eth0.Attrs().Index, Gw: gateway}, {LinkIndex: eth0.Attrs().Index, Gw: net.ParseIP("192.168.1.2")}}},
	} {
		must(t, netlink.RouteAdd(&route))
	}

	got, err := nodeRanges()
	must(t, err)
	want := []resolve.Range{
		{Prefix: netip.MustParsePrefix("10.9.0.0/16"), Device: "wg0", Routed: true},
		{Prefix: netip.MustParsePrefix("10.10.0.0/16"), Device: "eth0", Routed: true},
		{Prefix: netip.MustParsePrefix("10.255.0.1/32"), Device: "lo"},
		{Prefix: netip.MustParsePrefix("172.17.0.0/16"), Device: "docker0"},
		{Prefix: netip.MustParsePrefix("192.168.1.0/24"), Device: "eth0"},
		{Prefix: netip.MustParsePrefix("2001:db8::/64"), Device: "eth0"},
		{Prefix: netip.MustParsePrefix("fd99::/48"), Device: "wg0", Routed: true},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Error(diff)
	}
	foreign, err := Foreign([]string{"davit0", "docker0", "dv-none", "eth0", "lo"})
	if must(t, err); !slices.Equal(foreign, []string{"docker0", "eth0", "lo"}) {
		t.Errorf("foreign devices: %v", foreign)
	}
}

// give makes a bridge that has an alias and addresses.
func give(t *testing.T, name, alias string, addresses ...string) netlink.Link {
	t.Helper()
	attributes := netlink.NewLinkAttrs()
	attributes.Name = name
	must(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attributes}))
	link, err := netlink.LinkByName(name)
	must(t, err)
	if alias != "" {
		must(t, netlink.LinkSetAlias(link, alias))
	}
	must(t, netlink.LinkSetUp(link))
	for _, text := range addresses {
		address(t, link, text)
	}
	return link
}

func address(t *testing.T, link netlink.Link, text string) {
	t.Helper()
	parsed, err := netlink.ParseAddr(text)
	must(t, err)
	if parsed.IP.To4() == nil {
		parsed.Flags = unix.IFA_F_NODAD
	}
	must(t, netlink.AddrAdd(link, parsed))
}

func ipNet(text string) *net.IPNet {
	_, parsed, err := net.ParseCIDR(text)
	if err != nil {
		panic(err)
	}
	return parsed
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// inOwnNamespace moves the test to a network namespace of its own, with its /sys/class/net.
func inOwnNamespace(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("makes a network namespace, which needs root")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with its namespaces
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		t.Skip(err)
	}
	must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	must(t, unix.Mount("none", "/sys", "sysfs", 0, ""))
}

func TestRangesAreKnownUntilTheyChange(t *testing.T) {
	inOwnNamespace(t)
	watch := RangeWatch{}
	eth0 := give(t, "eth0", "", "192.168.1.5/24")
	ranges := func() []string {
		t.Helper()
		found, err := watch.Ranges()
		must(t, err)
		texts := []string{}
		for _, used := range found {
			texts = append(texts, used.Prefix.String())
		}
		return texts
	}
	hold := func(want ...string) {
		t.Helper()
		if got := ranges(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	hold("192.168.1.0/24")
	// The lists are not asked for again while nothing has changed.
	watch.known = append(watch.known, resolve.Range{Prefix: netip.MustParsePrefix("203.0.113.0/24")})
	hold("192.168.1.0/24", "203.0.113.0/24")
	address(t, eth0, "192.168.2.5/24")
	hold("192.168.1.0/24", "192.168.2.0/24")
	must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Dst: ipNet("10.9.0.0/16")}))
	hold("10.9.0.0/16", "192.168.1.0/24", "192.168.2.0/24")
	// Another mark makes a device davit's.
	must(t, netlink.LinkSetAlias(eth0, "davit network lan 192.168.1.5/24"))
	hold()
	// More events than the socket holds are one change.
	for i := range 2000 {
		must(t, netlink.LinkSetAlias(eth0, fmt.Sprint("uplink ", i)))
	}
	hold("10.9.0.0/16", "192.168.1.0/24", "192.168.2.0/24")
	must(t, watch.Close())
}

package bridge

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

func TestABridgeSaysWhoMadeIt(t *testing.T) {
	t.Parallel()
	mark := Mark{Network: strings.Repeat("n", 63), Added: []netip.Prefix{
		netip.MustParsePrefix("192.168.100.101/24"), netip.MustParsePrefix("2001:db8:1111:2222:3333:4444:5555:6666/112"),
		netip.MustParsePrefix("192.168.200.201/24"), netip.MustParsePrefix("2001:db8:1111:2222:3333:4444:5555:7777/112"),
	}}
	if len(mark.text()) > 255 {
		t.Errorf("the kernel refuses an alias of %d bytes", len(mark.text()))
	}
	for _, mark := range []Mark{mark, {Network: "lan"}} {
		got, ok := parseMark(mark.text())
		if diff := cmp.Diff(mark, got, cmpopts.EquateComparable(netip.Prefix{})); !ok || diff != "" {
			t.Errorf("%s: %v, %s", mark.text(), ok, diff)
		}
	}
	for _, alias := range []string{"", "uplink", "davit", "davit network", "davit network ", "davit network lan 10.0.0.1", "davit web eth0 10.89.0.7"} {
		if mark, ok := parseMark(alias); ok {
			t.Errorf("%q is taken for %v", alias, mark)
		}
	}
}

// inOwnNamespace moves the test to a network namespace of its own, with its /proc/sys/net and /sys/class/net.
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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// give makes a bridge with addresses, as an operator or an older davit does.
func give(t *testing.T, name string, mac net.HardwareAddr, addresses ...string) netlink.Link {
	t.Helper()
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.HardwareAddr = name, mac
	must(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attributes}))
	link, err := netlink.LinkByName(name)
	must(t, err)
	must(t, netlink.LinkSetUp(link))
	for _, address := range addresses {
		must(t, netlink.AddrAdd(link, addressOf(netip.MustParsePrefix(address))))
	}
	return link
}

func networkOf(name, device string, subnets ...string) bundle.BridgeNetwork {
	network := bundle.BridgeNetwork{Name: name, Device: device}
	for _, text := range subnets {
		prefix := netip.MustParsePrefix(text)
		network.Subnets = append(network.Subnets, bundle.Subnet{Subnet: prefix, Gateway: prefix.Addr().Next()})
	}
	return network
}

// addressesNow are the addresses of a device but those that the kernel gives it.
func addressesNow(t *testing.T, device string) []string {
	t.Helper()
	link, err := netlink.LinkByName(device)
	must(t, err)
	prefixes, err := prefixesOf(link)
	must(t, err)
	var texts []string
	for _, prefix := range prefixes {
		if !prefix.Addr().IsLinkLocalUnicast() {
			texts = append(texts, prefix.String())
		}
	}
	return texts
}

func TestADeviceOfTheNodeIsNotUsed(t *testing.T) {
	inOwnNamespace(t)
	mac := macOf(netip.MustParseAddr("10.89.4.1"))
	give(t, "br0", nil, "192.0.2.10/24")
	// The node itself is a container of davit, and its bridge has the address of its port.
	inherits := give(t, "br1", nil, "192.0.2.11/24")
	port := netlink.NewLinkAttrs()
	port.Name, port.HardwareAddr, port.MasterIndex = "br3", mac, inherits.Attrs().Index
	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: port, PeerName: "eth0"}))
	marked := give(t, "br2", mac, "192.0.2.12/24")
	must(t, netlink.LinkSetAlias(marked, "uplink"))

	for _, device := range []string{"br0", "br1", "br2", "br3"} {
		before := addressesNow(t, device)
		_, _, err := ensureDevice(networkOf("n", device, "198.51.100.0/24"))
		if err == nil || !strings.Contains(err.Error(), "davit did not make") {
			t.Errorf("%s: %v", device, err)
		}
		if diff := cmp.Diff(before, addressesNow(t, device)); diff != "" {
			t.Errorf("%s has other addresses now: %s", device, diff)
		}
	}
	if text, err := os.ReadFile(filepath.Join("/sys/class/net/br1/address")); err != nil || !strings.HasPrefix(string(text), "02:64:") {
		t.Errorf("the bridge was to inherit its port's address: %s, %v", text, err)
	}
}

func TestAddressesOfOthersStay(t *testing.T) {
	inOwnNamespace(t)
	first := networkOf("lan", "lan0", "10.40.0.0/24", "fd40::/64")
	_, _, err := ensureDevice(first)
	must(t, err)
	link, err := netlink.LinkByName("lan0")
	must(t, err)
	must(t, netlink.AddrAdd(link, addressOf(netip.MustParsePrefix("192.0.2.10/24"))))
	must(t, netlink.AddrAdd(link, addressOf(netip.MustParsePrefix("10.41.0.1/24"))))

	// The operator has added one that the network has next, and none of his goes with the one after that.
	for _, step := range []struct {
		network bundle.BridgeNetwork
		want    []string
	}{
		{first, []string{"10.40.0.1/24", "192.0.2.10/24", "10.41.0.1/24", "fd40::1/64"}},
		{networkOf("lan", "lan0", "10.41.0.0/24"), []string{"192.0.2.10/24", "10.41.0.1/24"}},
		{networkOf("other", "lan0", "10.42.0.0/24"), []string{"192.0.2.10/24", "10.41.0.1/24", "10.42.0.1/24"}},
		{networkOf("other", "lan0", "10.43.0.0/24"), []string{"192.0.2.10/24", "10.41.0.1/24", "10.43.0.1/24"}},
	} {
		_, _, err := ensureDevice(step.network)
		must(t, err)
		if diff := cmp.Diff(step.want, addressesNow(t, "lan0")); diff != "" {
			t.Errorf("as network %s with %v: %s", step.network.Name, step.network.Subnets, diff)
		}
	}
}

// TestABridgeOfAnOlderDavit has the bridge that a davit made which did not mark them: it has its hardware address by
// the gateway of the time, and is marked when it is next used.
func TestABridgeOfAnOlderDavit(t *testing.T) {
	inOwnNamespace(t)
	give(t, "lan0", macOf(netip.MustParseAddr("10.40.0.1")), "10.40.0.1/24", "192.0.2.10/24")
	for _, step := range []struct {
		subnet string
		want   []string
	}{
		{"10.40.0.0/24", []string{"10.40.0.1/24", "192.0.2.10/24"}},
		{"10.41.0.0/24", []string{"192.0.2.10/24", "10.41.0.1/24"}},
	} {
		_, _, err := ensureDevice(networkOf("lan", "lan0", step.subnet))
		must(t, err)
		if diff := cmp.Diff(step.want, addressesNow(t, "lan0")); diff != "" {
			t.Errorf("with %s: %s", step.subnet, diff)
		}
	}
	link, err := netlink.LinkByName("lan0")
	must(t, err)
	if want := "davit network lan 10.41.0.1/24"; link.Attrs().Alias != want {
		t.Errorf("its mark is %q, want %q", link.Attrs().Alias, want)
	}
}

func TestAnIdleBridgeGoesUnlessItIsAnothers(t *testing.T) {
	inOwnNamespace(t)
	give(t, "br0", nil, "192.0.2.10/24")
	give(t, "old0", macOf(netip.MustParseAddr("10.40.0.1")), "10.40.0.1/24")
	for _, device := range []string{"lan0", "lan1", "lan2"} {
		_, _, err := ensureDevice(networkOf("lan", device, "10.41.0.0/24"))
		must(t, err)
	}
	_, _, err := ensureDevice(networkOf("next", "lan1", "10.41.0.0/24"))
	must(t, err)
	shared, err := netlink.LinkByName("lan2")
	must(t, err)
	must(t, netlink.AddrAdd(shared, addressOf(netip.MustParsePrefix("192.0.2.11/24"))))

	for _, device := range []string{"br0", "old0", "lan0", "lan1", "lan2", "none0"} {
		must(t, RemoveIdle("lan", device))
	}
	left := map[string][]string{}
	links, err := netlink.LinkList()
	must(t, err)
	for _, link := range links {
		if link.Type() == "bridge" {
			left[link.Attrs().Name] = addressesNow(t, link.Attrs().Name)
		}
	}
	want := map[string][]string{"br0": {"192.0.2.10/24"}, "lan1": {"10.41.0.1/24"}, "lan2": {"192.0.2.11/24"}}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Error(diff)
	}
}

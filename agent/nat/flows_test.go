package nat

import (
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestFlowsAreDeletedByAddressAndByPort compares both ways of deleting flows, in a network namespace of its own.
func TestFlowsAreDeletedByAddressAndByPort(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("makes a network namespace, which needs root")
	}
	for name, remove := range map[string]func([]flows) error{"the kernel selects": forget, "davit selects": listAndDelete} {
		t.Run(name, func(t *testing.T) {
			runtime.LockOSThread() // never unlocked: the thread ends with its namespace
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				t.Skip(err)
			}
			for _, made := range []*netlink.ConntrackFlow{
				flow("udp", "192.0.2.9", 40000, "192.0.2.1", 5353, "10.89.0.2", 53),
				flow("tcp", "192.0.2.9", 40001, "192.0.2.1", 8080, "10.89.0.2", 80),
				flow("udp", "10.89.0.2", 5000, "198.51.100.1", 53, "198.51.100.1", 53),
				flow("udp", "192.0.2.9", 40002, "192.0.2.1", 5353, "10.89.0.20", 53),
				flow("udp", "192.0.2.9", 40003, "192.0.2.1", 53, "192.0.2.1", 53),
				flow("tcp", "192.0.2.9", 40004, "192.0.2.1", 5353, "192.0.2.1", 5353),
				flow("udp", "2001:db8::9", 40005, "2001:db8::1", 5353, "fd64::2", 53),
				flow("udp", "2001:db8::9", 40006, "2001:db8::1", 53, "2001:db8::1", 53),
			} {
				if err := netlink.ConntrackCreate(netlink.ConntrackTable, netlink.InetFamily(made.FamilyType), made); err != nil {
					t.Fatal(err)
				}
			}
			address, address6 := netip.MustParseAddr("10.89.0.2"), netip.MustParseAddr("fd64::2")
			if err := remove([]flows{
				{source: address, family: unix.AF_INET}, {source: address, reply: true, family: unix.AF_INET},
				{source: address6, reply: true, family: unix.AF_INET6},
			}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]uint16{40002, 40003, 40004, 40006}, sourcePorts(t)); diff != "" {
				t.Errorf("flows that are left after their addresses' were deleted, by source port: %s", diff)
			}
			if err := remove([]flows{{family: unix.AF_INET, datagrams: true, port: 5353}, {family: unix.AF_INET6, datagrams: true, port: 5353}}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]uint16{40003, 40004, 40006}, sourcePorts(t)); diff != "" {
				t.Errorf("flows that are left after the port's datagrams were deleted, by source port: %s", diff)
			}
			if err := remove([]flows{{family: unix.AF_INET, datagrams: true, port: 50, last: 52}, {family: unix.AF_INET6, datagrams: true, port: 50, last: 53}}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]uint16{40003, 40004}, sourcePorts(t)); diff != "" {
				t.Errorf("flows that are left after a range's datagrams were deleted, by source port: %s", diff)
			}
		})
	}
}

// flow is one from a source to a destination that is led to another.
func flow(protocol, source string, sourcePort uint16, destination string, destinationPort uint16, to string, toPort uint16) *netlink.ConntrackFlow {
	family := uint8(unix.AF_INET6)
	if netip.MustParseAddr(source).Is4() {
		family = unix.AF_INET
	}
	bytesOf := func(text string) net.IP { return netip.MustParseAddr(text).AsSlice() }
	number := protocols[protocol]
	made := &netlink.ConntrackFlow{
		FamilyType: family, TimeOut: 100,
		Forward: netlink.IPTuple{Protocol: number, SrcIP: bytesOf(source), SrcPort: sourcePort, DstIP: bytesOf(destination), DstPort: destinationPort},
		Reverse: netlink.IPTuple{Protocol: number, SrcIP: bytesOf(to), SrcPort: toPort, DstIP: bytesOf(source), DstPort: sourcePort},
	}
	if protocol == "tcp" {
		const established = 3 // TCP_CONNTRACK_ESTABLISHED
		made.ProtoInfo = &netlink.ProtoInfoTCP{State: established}
	}
	return made
}

func sourcePorts(t *testing.T) []uint16 {
	t.Helper()
	var ports []uint16
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, family)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range flows {
			ports = append(ports, f.Forward.SrcPort)
		}
	}
	slices.Sort(ports)
	return ports
}

func BenchmarkForget(b *testing.B) {
	for b.Loop() {
		if err := Forget([]netip.Addr{netip.MustParseAddr("10.89.0.2"), netip.MustParseAddr("fd64::2")}, true); err != nil {
			b.Fatal(err)
		}
	}
}

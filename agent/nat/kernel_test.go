package nat

import (
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// inNetwork runs the test in a network namespace of its own, whose loopback device has the addresses.
func inNetwork(t *testing.T, addresses ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("makes a network namespace, which needs root")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with its namespace
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	loopback, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(loopback)
	}
	for _, text := range addresses {
		address, invalid := netlink.ParseAddr(text)
		if err == nil {
			err = invalid
		}
		if err == nil {
			err = netlink.AddrAdd(loopback, address)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// change makes one transaction in the namespace of the test.
func change(t *testing.T, queue func(*socket) error) {
	t.Helper()
	conn, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseLasting()
	if err := queue(conn); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
}

func publish(t *testing.T, e Endpoint) {
	t.Helper()
	rules, err := e.publishing()
	if err != nil {
		t.Fatal(err)
	}
	change(t, func(conn *socket) error {
		_, err := queueMissing(conn, rules, e.Fresh)
		return err
	})
}

// portsChain are the rules of the chain of ports.
func portsChain(t *testing.T) []present {
	t.Helper()
	var rules []present
	change(t, func(conn *socket) (err error) {
		rules, err = conn.rulesIn(ports)
		return err
	})
	return rules
}

// TestRangesLeadToTheirPorts has the kernel translate packets to the ends and the middle of ranges.
func TestRangesLeadToTheirPorts(t *testing.T) {
	for name, test := range map[string]struct {
		port  bundle.Port
		tried map[int32]int32 // ports of the container by the node's, 0 for none
	}{
		"one port":          {bundle.Port{HostPort: 8080, ContainerPort: 80}, map[int32]int32{8080: 80, 8081: 0}},
		"the same numbers":  {bundle.Port{HostPort: 10000, ContainerPort: 10000, Count: 10_000}, map[int32]int32{9999: 0, 10000: 10000, 15000: 15000, 19999: 19999, 20000: 0}},
		"all":               {bundle.Port{HostPort: 1, ContainerPort: 1, Count: 65_535}, map[int32]int32{1: 1, 30000: 30000, 65535: 65535}},
		"higher numbers":    {bundle.Port{HostPort: 8000, ContainerPort: 9001, Count: 100}, map[int32]int32{7999: 0, 8000: 9001, 8050: 9051, 8099: 9100, 8100: 0}},
		"lower numbers":     {bundle.Port{HostPort: 20000, ContainerPort: 19, Count: 10_000}, map[int32]int32{20000: 19, 25000: 5019, 29999: 10018, 30000: 0}},
		"all but the first": {bundle.Port{HostPort: 1, ContainerPort: 2, Count: 65_534}, map[int32]int32{1: 2, 30000: 30001, 65534: 65535, 65535: 0}},
	} {
		for _, protocol := range []string{"tcp", "udp"} {
			t.Run(name+" "+protocol, func(t *testing.T) {
				inNetwork(t, "10.89.0.2/32")
				test.port.Protocol = protocol
				publish(t, Endpoint{Container: "web", Addresses: []netip.Addr{netip.MustParseAddr("10.89.0.2")}, Ports: []bundle.Port{test.port}, Fresh: true})
				if rules := portsChain(t); len(rules) != 1 {
					t.Errorf("%d rules", len(rules))
				}
				for from, to := range test.tried {
					if got := reaches(t, protocol, from, to); got != (to > 0) {
						t.Errorf("port %d reaches port %d of the container: %v", from, to, got)
					}
				}
			})
		}
	}
}

// reaches reports whether a packet to a port of the node reaches a port of the container; of the same number for 0.
func reaches(t *testing.T, protocol string, from, to int32) bool {
	t.Helper()
	if to == 0 {
		to = from
	}
	inside, outside := net.JoinHostPort("10.89.0.2", strconv.Itoa(int(to))), net.JoinHostPort("127.0.0.1", strconv.Itoa(int(from)))
	if protocol == "tcp" {
		listener, err := net.Listen("tcp4", inside)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		connection, err := net.Dial("tcp4", outside)
		if err == nil {
			connection.Close()
		}
		return err == nil
	}
	listener, err := net.ListenPacket("udp4", inside)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	sender, err := net.Dial("udp4", outside)
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	if _, err := sender.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := listener.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	_, _, err = listener.ReadFrom(make([]byte, 16))
	return err == nil
}

// TestManySinglePortsArePublished has more of them than one transaction takes.
func TestManySinglePortsArePublished(t *testing.T) {
	inNetwork(t)
	e := Endpoint{Container: "web", Addresses: []netip.Addr{netip.MustParseAddr("10.89.0.2"), netip.MustParseAddr("fd64::2")}, Fresh: true}
	for port := range int32(1200) {
		e.Ports = append(e.Ports, bundle.Port{HostPort: 2*port + 1, ContainerPort: 80, Protocol: "tcp"})
	}
	publish(t, e)
	if got := len(portsChain(t)); got != 2*len(e.Ports) {
		t.Errorf("%d rules for %d ports of two addresses", got, len(e.Ports))
	}
	e.Fresh = false
	publish(t, e)
	if got := len(portsChain(t)); got != 2*len(e.Ports) {
		t.Errorf("%d rules after they were published once more", got)
	}
	change(t, func(conn *socket) error {
		removed, left, err := removeOf(conn, ports, "other")
		if removed > 0 || left != 2*len(e.Ports) {
			t.Errorf("%d rules of another container are removed, and %d are left", removed, left)
		}
		return err
	})
	change(t, func(conn *socket) error {
		_, _, err := removeOf(conn, ports, e.Container)
		return err
	})
	if left := portsChain(t); len(left) > 0 {
		t.Errorf("%d rules are left", len(left))
	}
}

// TestAFreshEndpointIsNotLookedFor shows by a rule that appears twice that nothing was read: a start would otherwise read
// the ports of all others.
func TestAFreshEndpointIsNotLookedFor(t *testing.T) {
	inNetwork(t)
	e := Endpoint{
		Container: "web", Addresses: []netip.Addr{netip.MustParseAddr("10.89.0.2")}, Fresh: true,
		Ports: []bundle.Port{{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}},
	}
	for _, test := range []struct {
		fresh bool
		want  int
	}{{true, 1}, {false, 1}, {true, 2}} {
		e.Fresh = test.fresh
		publish(t, e)
		if got := len(portsChain(t)); got != test.want {
			t.Errorf("fresh %v: %d rules, want %d", test.fresh, got, test.want)
		}
	}
}

// TestLongNamesFitIntoComments publishes and removes ports of a container whose name, on a network whose name, is as long as
// can be. A comment of the kernel's has 255 bytes.
func TestLongNamesFitIntoComments(t *testing.T) {
	inNetwork(t)
	long := strings.Repeat("n", 246)
	network := bundle.BridgeNetwork{Name: long + "net", Device: "dv-0123456789ab", Subnets: []bundle.Subnet{
		{Subnet: netip.MustParsePrefix("10.89.0.0/22")}, {Subnet: netip.MustParsePrefix("fd64:6176:6974:1234:1234:1234:1234::/112")},
	}}
	endpointOf := func(container string) Endpoint {
		return Endpoint{
			Container: container, Network: network, Fresh: true,
			Addresses: []netip.Addr{netip.MustParseAddr("10.89.0.2"), netip.MustParseAddr("fd64:6176:6974:1234:1234:1234:1234:1234")},
			Ports:     []bundle.Port{{HostPort: 10000, ContainerPort: 10000, Protocol: "sctp", Count: 100, HostIP: "fd64:6176:6974:1234:1234:1234:1234:1235"}, {HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}},
		}
	}
	publish(t, endpointOf(long+"1"))
	publish(t, endpointOf(long+"2"))
	if got := len(portsChain(t)); got != 6 {
		t.Errorf("%d rules", got)
	}
	if !isShared(publishedBy(portsChain(t)), long+"2") {
		t.Error("that another container publishes the same is not noticed")
	}
	change(t, func(conn *socket) error {
		removed, left, err := removeOf(conn, ports, long+"2")
		if removed != 3 || left != 3 {
			t.Errorf("%d rules are removed, %d are left", removed, left)
		}
		return err
	})
	change(t, func(conn *socket) error {
		rules := append(isolating(network), masquerading(network)...)
		if _, err := queueMissing(conn, rules, true); err != nil {
			return err
		}
		if err := conn.Flush(); err != nil {
			return err
		}
		missing, err := queueMissing(conn, rules, true)
		if missing {
			t.Error("the network's rules are not found again")
		}
		return err
	})
}

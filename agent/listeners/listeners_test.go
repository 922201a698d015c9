package listeners

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/davit-project/davit/units/bundle"
)

// TestListenersAreFound listens in this process and finds that.
func TestListenersAreFound(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		network, address string
		at, not          string // addresses at which a published port takes it, and does not
	}{
		{"tcp4", "127.0.0.1:0", "127.0.0.1", "192.0.2.1"},
		{"tcp4", "0.0.0.0:0", "192.0.2.1", ""},
		{"tcp6", "[::1]:0", "::1", "127.0.0.1"},
		{"tcp6", "[::]:0", "2001:db8::1", "192.0.2.1"}, // the library asks for IPv6 alone
		{"tcp", ":0", "192.0.2.1", ""},
	} {
		socket, err := net.Listen(test.network, test.address)
		if err != nil && test.network == "tcp6" {
			t.Logf("%s: %v", test.address, err) // the machine has no IPv6
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		port := socket.Addr().(*net.TCPAddr).AddrPort().Port()
		found, err := List("tcp")
		if err != nil {
			t.Fatal(err)
		}
		takes := func(at netip.Addr) bool {
			return slices.ContainsFunc(found, func(l Listener) bool { return l.Port == port && l.answersAt(at) })
		}
		if !takes(netip.Addr{}) || !takes(netip.MustParseAddr(test.at)) {
			t.Errorf("%s %s: a port at %s does not take it: %v", test.network, test.address, test.at, found)
		}
		if test.not != "" && takes(netip.MustParseAddr(test.not)) {
			t.Errorf("%s %s: a port at %s takes it", test.network, test.address, test.not)
		}
		i := slices.IndexFunc(found, func(l Listener) bool { return l.Port == port })
		if text := found[i].String(); !strings.Contains(text, "process "+strconv.Itoa(os.Getpid())) {
			t.Errorf("%s does not name this process", text)
		}
	}
}

// TestSocketsOfClientsAreNoListeners has one socket of UDP on a port that the kernel picks, and one on another.
func TestSocketsOfClientsAreNoListeners(t *testing.T) {
	t.Parallel()
	client, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, isServer := range []bool{false, true} {
		socket := client
		if isServer {
			socket = listenBelowClients(t)
			defer socket.Close()
		}
		port := socket.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		found, err := List("udp")
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.ContainsFunc(found, func(l Listener) bool { return l.Port == port }); got != isServer {
			t.Errorf("port %d: got %v, want %v", port, got, isServer)
		}
	}
}

// listenBelowClients listens by UDP on a free port that the kernel gives to no client.
func listenBelowClients(t *testing.T) net.PacketConn {
	t.Helper()
	var failure error
	for port := 7653; port < 7753; port++ {
		socket, err := net.ListenPacket("udp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return socket
		}
		failure = err
	}
	t.Fatal(failure)
	return nil
}

func TestOtherProtocolsHaveNoListeners(t *testing.T) {
	t.Parallel()
	if found, err := List("sctp"); err != nil || len(found) > 0 {
		t.Errorf("got %v, %v", found, err)
	}
}

// TestARangeIsInUse finds each program that listens on a port of a range.
func TestARangeIsInUse(t *testing.T) {
	t.Parallel()
	var ports []int32
	for range 2 {
		socket, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		ports = append(ports, int32(socket.Addr().(*net.TCPAddr).Port))
	}
	first, last := min(ports[0], ports[1]), max(ports[0], ports[1])
	for _, test := range []struct {
		first, last int32
		at          string
		want        []int32
	}{
		{first, last, "", []int32{first, last}},
		{first + 1, last, "127.0.0.1", []int32{last}},
		{first, last - 1, "0.0.0.0", []int32{first}},
		{first, last, "192.0.2.1", nil},
	} {
		published := bundle.Port{HostPort: test.first, Count: test.last - test.first + 1, Protocol: "tcp", HostIP: test.at}
		found, err := Of([]bundle.Port{published, published})
		if err != nil {
			t.Fatal(err)
		}
		var got []int32
		for _, listener := range found[published] {
			if slices.Contains(ports, int32(listener.Port)) { // this machine has others, too
				got = append(got, int32(listener.Port))
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s at %q: found %v, want %v", published, test.at, got, test.want)
		}
	}
}

// Package listeners finds the programs that listen on ports of the node: a published port would take their connections.
package listeners

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// Listener is a socket of the node to which others connect or send.
type Listener struct {
	Protocol string // tcp or udp
	Port     uint16
	// Address is that of the node which it listens on; not valid for all of them.
	Address netip.Addr
	inode   uint32
}

// The layout of requests and answers (struct inet_diag_req_v2, inet_diag_msg and inet_diag_sockid in Linux'
// include/uapi/linux/inet_diag.h).
const (
	requestSize  = 56
	statesOffset = 4
	messageSize  = 72
	portOffset   = 4
	sourceOffset = 8
	inodeOffset  = 68

	attributeV6Only = 11 // INET_DIAG_SKV6ONLY
)

// listening are the states of sockets that listen (include/net/tcp_states.h). One of UDP that is connected is in another one.
var listening = map[string]struct{ protocol, state uint8 }{
	"tcp": {unix.IPPROTO_TCP, 10}, // TCP_LISTEN
	"udp": {unix.IPPROTO_UDP, 7},  // TCP_CLOSE
}

// List returns the listeners of a protocol in the network namespace of the calling thread; none for a protocol other than
// tcp and udp. A socket of UDP on a port that the kernel picks for clients is taken for that of a client.
func List(protocol string) ([]Listener, error) {
	kind, known := listening[protocol]
	if !known {
		return nil, nil
	}
	var found []Listener
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		messages, err := ask(family, kind.protocol, kind.state)
		if err != nil {
			return nil, fmt.Errorf("list the listeners by %s: %w", protocol, err)
		}
		for _, message := range messages {
			if listener, ok := decode(protocol, message); ok {
				found = append(found, listener)
			}
		}
	}
	if protocol != "udp" {
		return found, nil
	}
	return withoutClients(found)
}

// Of returns the published ports that are in use, with the sockets that use them.
func Of(ports []bundle.Port) (map[bundle.Port][]Listener, error) {
	found, known := map[bundle.Port][]Listener{}, map[string][]Listener{}
	for _, port := range ports {
		if found[port] != nil {
			continue // replicas publish the same
		}
		listed, ok := known[port.Protocol]
		if !ok {
			var err error
			if listed, err = List(port.Protocol); err != nil {
				return nil, err
			}
			known[port.Protocol] = listed
		}
		at, _ := netip.ParseAddr(port.HostIP) // without one, it is published at all addresses
		for _, listener := range listed {
			if port.Contains(int32(listener.Port)) && listener.answersAt(at) {
				found[port] = append(found[port], listener)
			}
		}
	}
	return found, nil
}

// Check returns an error that names the program if one of the ports is in use.
func Check(ports []bundle.Port) error {
	found, err := Of(ports)
	for _, port := range ports {
		if len(found[port]) > 0 {
			return errors.New(found[port][0].Conflict())
		}
	}
	return err
}

// request is an inet_diag_req_v2.
type request [requestSize]byte

// Len implements [nl.NetlinkRequestData].
func (r *request) Len() int { return requestSize }

// Serialize implements [nl.NetlinkRequestData].
func (r *request) Serialize() []byte { return r[:] }

// ask has the kernel list sockets. One without IPv6 has no such sockets.
func ask(family, protocol, state uint8) ([][]byte, error) {
	var body request
	body[0], body[1] = family, protocol
	binary.NativeEndian.PutUint32(body[statesOffset:], 1<<state)
	dump := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
	dump.AddData(&body)
	messages, err := dump.Execute(unix.NETLINK_INET_DIAG, 0)
	if family == unix.AF_INET6 && (errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL)) {
		return nil, nil
	}
	return messages, err
}

// decode reads an inet_diag_msg.
func decode(protocol string, message []byte) (Listener, bool) {
	if len(message) < messageSize {
		return Listener{}, false
	}
	source := message[sourceOffset : sourceOffset+16]
	listener := Listener{
		Protocol: protocol,
		Port:     binary.BigEndian.Uint16(message[portOffset:]),
		inode:    binary.NativeEndian.Uint32(message[inodeOffset:]),
	}
	if message[0] == unix.AF_INET {
		listener.Address = netip.AddrFrom4([4]byte(source[:4]))
	} else {
		listener.Address = netip.AddrFrom16([16]byte(source)).Unmap()
	}
	isAll := listener.Address.IsUnspecified() && (listener.Address.Is4() || !isV6Only(message[messageSize:]))
	if isAll {
		listener.Address = netip.Addr{}
	}
	return listener, listener.Port != 0
}

// isV6Only reads the attribute of a socket that serves no IPv4.
func isV6Only(attributes []byte) bool {
	parsed, err := nl.ParseRouteAttr(attributes)
	if err != nil {
		return false
	}
	for _, attribute := range parsed {
		if attribute.Attr.Type == attributeV6Only {
			return len(attribute.Value) > 0 && attribute.Value[0] != 0
		}
	}
	return false
}

// localPorts has the ports that the kernel picks for clients (ip-sysctl.rst in Linux' documentation).
const localPorts = "/proc/sys/net/ipv4/ip_local_port_range"

func withoutClients(listeners []Listener) ([]Listener, error) {
	text, err := os.ReadFile(localPorts)
	if err != nil {
		return nil, err
	}
	var first, last uint16
	if _, err := fmt.Sscan(string(text), &first, &last); err != nil {
		return nil, fmt.Errorf("read %s: %w", localPorts, err)
	}
	var found []Listener
	for _, listener := range listeners {
		if listener.Port < first || listener.Port > last {
			found = append(found, listener)
		}
	}
	return found, nil
}

// answersAt reports whether publishing its port at an address would take connections away from the listener. An invalid
// address means all of them. A listener on [::] for IPv6 only conflicts with IPv6 addresses only.
func (l Listener) answersAt(at netip.Addr) bool {
	at = at.Unmap()
	if !l.Address.IsValid() || !at.IsValid() || at.IsUnspecified() {
		return true
	}
	return l.Address == at || l.Address.IsUnspecified() && at.Is6()
}

// Conflict names the listener and its address, and the remedy if a container is to publish that port.
func (l Listener) Conflict() string {
	return l.String() + ": stop it, or publish another port or at another address"
}

// String names the listener and its address: "sshd, process 812 of ssh.service, listens on 192.0.2.1:22/tcp of the node".
func (l Listener) String() string {
	at := "port " + strconv.Itoa(int(l.Port))
	if l.Address.IsValid() {
		at = netip.AddrPortFrom(l.Address, l.Port).String()
	}
	return l.owner() + " listens on " + at + "/" + l.Protocol + " of the node"
}

// owner names the process that has the socket.
func (l Listener) owner() string {
	pid := l.process()
	if pid == 0 {
		return "a program"
	}
	return describe(pid)
}

// Unit is the unit that the socket's process belongs to; empty if it is not known.
func (l Listener) Unit() string {
	pid := l.process()
	if pid == 0 {
		return ""
	}
	return unitOf(pid)
}

// process is the process that has the socket; 0 if it is not found. That reads /proc, and is done only where a port is taken.
func (l Listener) process() int {
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	socket := fmt.Sprintf("socket:[%d]", l.inode)
	for _, process := range processes {
		if pid, err := strconv.Atoi(process.Name()); err == nil && has(pid, socket) {
			return pid
		}
	}
	return 0
}

// has reports whether a process has a socket open.
func has(pid int, socket string) bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	descriptors, err := os.ReadDir(dir)
	if err != nil {
		return false // it has ended
	}
	for _, descriptor := range descriptors {
		if target, err := os.Readlink(dir + "/" + descriptor.Name()); err == nil && target == socket {
			return true
		}
	}
	return false
}

// describe names a process and its unit.
func describe(pid int) string {
	name := "a program"
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil {
		name = strings.TrimSpace(string(text))
	}
	text := fmt.Sprintf("%s, process %d", name, pid)
	if unit := unitOf(pid); unit != "" {
		text += " of " + unit
	}
	return text + ","
}

// unitOf is the unit of the node's systemd that a process belongs to, by its control group; empty for none. Groups below
// may be named by their user: a user's own systemd names its units as it likes.
func unitOf(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return ""
	}
	_, path, _ := strings.Cut(strings.TrimSpace(string(text)), "::")
	for part := range strings.SplitSeq(path, "/") {
		if names.IsService(part) || strings.HasSuffix(part, ".scope") {
			return part
		}
	}
	return ""
}

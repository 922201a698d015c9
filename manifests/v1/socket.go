package v1

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"path"
	"strconv"
	"strings"
)

// Socket is a socket of the node on which systemd listens in the container's stead. Exactly one
// of listenStream and listenDatagram is required.
type Socket struct {
	// Name is an RFC 1123 label, by which the container's program tells sockets apart:
	// LISTEN_FDNAMES of sd_listen_fds(3).
	Name string `json:"name" pattern:"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"`
	// ListenStream is where it takes connections: a port, an address and a port such as
	// 127.0.0.1:8080 or [::1]:8080, or the absolute path of a Unix socket.
	ListenStream ListenAddress `json:"listenStream,omitempty"`
	// ListenDatagram is the same for packets.
	ListenDatagram ListenAddress `json:"listenDatagram,omitempty"`
}

// ListenAddress is a port, an address and a port, or a path, as systemd.socket(5) writes them.
type ListenAddress string

// UnmarshalJSON takes text, or the number of a port.
func (a *ListenAddress) UnmarshalJSON(data []byte) error {
	var number json.Number
	if err := json.Unmarshal(data, &number); err == nil {
		*a = ListenAddress(number)
		return nil
	}
	return json.Unmarshal(data, (*string)(a))
}

// Path is the path of a Unix socket; "" for an address of the network.
func (a ListenAddress) Path() string {
	if strings.HasPrefix(string(a), "/") {
		return string(a)
	}
	return ""
}

// AddrPort is an address of the network; the zero address means all.
func (a ListenAddress) AddrPort() (netip.AddrPort, error) {
	address, err := netip.ParseAddrPort(string(a))
	if port, portErr := strconv.ParseUint(string(a), 10, 16); portErr == nil {
		address, err = netip.AddrPortFrom(netip.Addr{}, uint16(port)), nil
	}
	// systemd takes a port with a zero in front for an octal number (strtoul(3)).
	isPlain := strings.HasSuffix(":"+string(a), ":"+strconv.Itoa(int(address.Port())))
	if err != nil || address.Port() == 0 || !isPlain || address.Addr().Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("%q: want a port, an address and a port such as 127.0.0.1:8080, or the path of a Unix socket", a)
	}
	return address, nil
}

// Check returns the fault of an address.
func (a ListenAddress) Check() error {
	if a.Path() == "" {
		_, err := a.AddrPort()
		return err
	}
	// sun_path of unix(7) has room for 107 bytes and a zero.
	if path.Clean(a.Path()) != a.Path() || len(a) > 107 || strings.ContainsFunc(string(a), func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("%q: want an absolute path without . and .., of at most 107 bytes and without white space", a)
	}
	return nil
}

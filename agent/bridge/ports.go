package bridge

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// The alias of a port (ip-link(8)) says whose it is, and which addresses are at its other end. The kernel has it for
// as long as the container runs, also where the leases are lost.

// aliasPrefix marks an alias that davit has written.
const aliasPrefix = "davit "

// aliasOf is the alias of a container's port: of at most 255 bytes (IFALIASZ in Linux' if.h), as an id and two
// addresses have 180.
func aliasOf(end Endpoint, addresses []netip.Prefix) string {
	fields := []string{end.Container, end.Interface}
	for _, address := range addresses {
		fields = append(fields, address.Addr().String())
	}
	return aliasPrefix + strings.Join(fields, " ")
}

// Port is a container's port of a bridge.
type Port struct {
	// Device is the bridge.
	Device string
	// Container and Interface are as an [Endpoint]'s.
	Container, Interface string
	Addresses            []netip.Addr
}

// portOf reads an alias; ok is false for one that davit has not written.
func portOf(device, alias string) (port Port, ok bool) {
	text, own := strings.CutPrefix(strings.TrimSuffix(alias, "\n"), aliasPrefix)
	fields := strings.Fields(text)
	if !own || len(fields) < 3 {
		return Port{}, false
	}
	port = Port{Device: device, Container: fields[0], Interface: fields[1]}
	for _, field := range fields[2:] {
		address, err := netip.ParseAddr(field)
		if err != nil {
			return Port{}, false
		}
		port.Addresses = append(port.Addresses, address)
	}
	return port, true
}

// Ports are the ports of all containers on bridges that davit made.
func Ports() ([]Port, error) { return portsOf("*") }

// portsOf are the ports of the bridges whose names match. The kernel's directories list them also while others come
// and go, as netlink does not.
func portsOf(pattern string) ([]Port, error) {
	links, err := filepath.Glob(filepath.Join("/sys/class/net", pattern, "brif/*"))
	if err != nil {
		return nil, err
	}
	var ports []Port
	for _, link := range links {
		alias, err := os.ReadFile(filepath.Join("/sys/class/net", filepath.Base(link), "ifalias"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just gone
		}
		if err != nil {
			return nil, err
		}
		device := filepath.Base(filepath.Dir(filepath.Dir(link)))
		if port, own := portOf(device, string(alias)); own {
			ports = append(ports, port)
		}
	}
	return ports, nil
}

package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
)

// The alias of a bridge (ip-link(8)) says that davit made it, for which network, and which of its addresses davit added:
// davit uses no device that the node has from elsewhere, and deletes no address that an operator added.

// markPrefix begins the alias of a bridge that davit made.
const markPrefix = aliasPrefix + "network "

// Mark is the content of the alias of a bridge.
type Mark struct {
	// Network is the network that the bridge was last used for.
	Network string
	// Added are the addresses that davit added.
	Added []netip.Prefix
}

// text is the alias: of at most 255 bytes (IFALIASZ in Linux' if.h), as a name and two addresses of each of two
// configurations have 203.
func (m Mark) text() string {
	fields := []string{m.Network}
	for _, address := range m.Added {
		fields = append(fields, address.String())
	}
	return markPrefix + strings.Join(fields, " ")
}

// parseMark reads an alias; ok is false for one that davit has not written for a bridge.
func parseMark(alias string) (mark Mark, ok bool) {
	text, marked := strings.CutPrefix(alias, markPrefix)
	fields := strings.Fields(text)
	if !marked || len(fields) == 0 {
		return Mark{}, false
	}
	mark.Network = fields[0]
	for _, field := range fields[1:] {
		address, err := netip.ParsePrefix(field)
		if err != nil {
			return Mark{}, false
		}
		mark.Added = append(mark.Added, address)
	}
	return mark, true
}

// MarkOf returns the mark of a device; ok is false for a device that davit did not make. A bridge that an older davit
// made, or that a launcher has made and not marked yet, has davit's prefix in its hardware address, and an empty mark.
func MarkOf(device netlink.Link) (mark Mark, ok bool, err error) {
	if device.Type() != "bridge" {
		return Mark{}, false, nil
	}
	attributes := device.Attrs()
	if attributes.Alias != "" {
		mark, ok = parseMark(attributes.Alias)
		return mark, ok, nil
	}
	if !bytes.HasPrefix(attributes.HardwareAddr, macPrefix) {
		return Mark{}, false, nil
	}
	ok, err = hasSetAddress(attributes.Name)
	return Mark{}, ok, err
}

// addressSet is the kind of a hardware address that was set explicitly, as davit does for its bridges (NET_ADDR_SET in
// Linux' netdevice.h). If the node itself is a container of davit, a bridge of the node may have taken such an address
// over from its port.
const addressSet = 3

func hasSetAddress(device string) (bool, error) {
	text, err := os.ReadFile(filepath.Join("/sys/class/net", device, "addr_assign_type"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // it has just gone
	}
	if err != nil {
		return false, err
	}
	kind, err := strconv.Atoi(string(bytes.TrimSpace(text)))
	return kind == addressSet, err
}

// setMark marks a device, unless it is marked so already.
func setMark(device netlink.Link, mark Mark) error {
	text := mark.text()
	if device.Attrs().Alias == text {
		return nil
	}
	if err := netlink.LinkSetAlias(device, text); err != nil {
		return fmt.Errorf("mark it: %w", err)
	}
	device.Attrs().Alias = text
	return nil
}

// keeps are the addresses of a mark for which keep holds.
func (m Mark) keeps(keep func(netip.Prefix) bool) Mark {
	m.Added = slices.DeleteFunc(slices.Clone(m.Added), func(address netip.Prefix) bool { return !keep(address) })
	return m
}

package drift

import (
	"encoding/binary"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// linkChange is the content of a message of rtnetlink about a device.
type linkChange struct {
	// bridge is the name of the device if it is a bridge, of whichever network namespace.
	bridge string
	// lost is whether something has gone, or may have.
	lost bool
}

// readLink reads a RTM_NEWLINK or a RTM_DELLINK.
func readLink(kind uint16, data []byte) linkChange {
	if len(data) < unix.SizeofIfInfomsg {
		return linkChange{lost: true}
	}
	attributes, err := nl.ParseRouteAttr(data[unix.SizeofIfInfomsg:])
	if err != nil {
		return linkChange{lost: true}
	}
	if data[0] == unix.AF_BRIDGE { // that a port has left its bridge is a RTM_DELLINK of this family
		return linkChange{lost: kind == unix.RTM_DELLINK || isWithoutHairpin(attributes)}
	}
	change := linkChange{bridge: bridgeName(attributes)}
	// The flags of struct ifinfomsg. A bridge may have got another MTU, say.
	isDown := binary.NativeEndian.Uint32(data[8:])&unix.IFF_UP == 0
	change.lost = kind == unix.RTM_DELLINK || isDown || change.bridge != ""
	return change
}

// bridgeName is the name of a device that is a bridge; empty for another one.
func bridgeName(attributes []syscall.NetlinkRouteAttr) string {
	name, isBridge := "", false
	for _, attribute := range attributes {
		switch attribute.Attr.Type &^ unix.NLA_F_NESTED {
		case unix.IFLA_IFNAME:
			name = text(attribute.Value)
		case unix.IFLA_LINKINFO:
			info, err := nl.ParseRouteAttr(attribute.Value)
			isBridge = err == nil && len(info) > 0 && info[0].Attr.Type == unix.IFLA_INFO_KIND && text(info[0].Value) == "bridge"
		}
	}
	if !isBridge {
		return ""
	}
	return name
}

// isWithoutHairpin reports whether the attributes of a bridge's port say that nothing leaves by it that came by it.
func isWithoutHairpin(attributes []syscall.NetlinkRouteAttr) bool {
	for _, attribute := range attributes {
		if attribute.Attr.Type&^unix.NLA_F_NESTED != unix.IFLA_PROTINFO {
			continue
		}
		settings, err := nl.ParseRouteAttr(attribute.Value)
		if err != nil {
			return true
		}
		for _, setting := range settings {
			if setting.Attr.Type == unix.IFLA_BRPORT_MODE {
				return len(setting.Value) > 0 && setting.Value[0] == 0
			}
		}
	}
	return false
}

func text(value []byte) string { return strings.TrimRight(string(value), "\x00") }

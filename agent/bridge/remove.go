package bridge

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// RemoveIdle deletes the bridge that davit made for a network, unless it has ports: the containers that still use it
// keep it. The caller sees to it that no launcher attaches one meanwhile. A device that is not davit's, or by now another
// network's, stays as it is; one that an operator gave addresses stays without davit's.
func RemoveIdle(network, device string) error {
	link, err := netlink.LinkByName(device)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("bridge %s: %w", device, err)
	}
	mark, own, err := MarkOf(link)
	if err != nil {
		return fmt.Errorf("bridge %s: %w", device, err)
	}
	if !own || mark.Network != "" && mark.Network != network {
		return nil
	}
	// Of all devices, netlink tells nothing for certain while others come and go
	// ([netlink.ErrDumpInterrupted]); the bridge's own directory has its ports.
	ports, err := os.ReadDir(filepath.Join("/sys/class/net", device, "brif"))
	if err != nil {
		return fmt.Errorf("bridge %s: %w", device, err)
	}
	if len(ports) > 0 {
		return nil
	}
	if err := deleteBridge(link, mark); err != nil {
		return fmt.Errorf("delete bridge %s: %w", device, err)
	}
	return nil
}

// deleteBridge deletes a bridge, or only davit's addresses if others gave it addresses too.
func deleteBridge(link netlink.Link, mark Mark) error {
	present, err := prefixesOf(link)
	if err != nil {
		return err
	}
	others := 0
	for _, address := range present {
		if !address.Addr().IsLinkLocalUnicast() && !slices.Contains(mark.Added, address) {
			others++
		}
	}
	if others == 0 || mark.Network == "" {
		return netlink.LinkDel(link)
	}
	for _, address := range mark.Added {
		if err := netlink.AddrDel(link, addressOf(address)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("address %s: %w", address, err)
		}
	}
	return setMark(link, Mark{Network: mark.Network})
}

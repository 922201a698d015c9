package networks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/bridge"
	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/units/bundle"
)

// FreeLeases gives back the addresses that host-local has lent to containers which are no more. It
// releases by the content of a file, so a file that a crash left empty would be an address lost until the
// next boot. A network whose containers come or go at this moment is left for the next time.
func FreeLeases() error {
	networks, err := os.ReadDir(bundle.CNIDataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("free leases: %w", err)
	}
	var failures []error
	for _, network := range networks {
		if err := freeLeasesOf(network.Name()); err != nil {
			failures = append(failures, fmt.Errorf("free leases of network %s: %w", network.Name(), err))
		}
	}
	return errors.Join(failures...)
}

func freeLeasesOf(network string) error {
	// CNI forbids to collect garbage during an ADD or a DEL.
	unlock, err := disk.Lock(bundle.NetworkLock(network), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	used, err := usedAddresses()
	if err != nil {
		return err
	}
	dir := filepath.Join(bundle.CNIDataDir, network)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var failures []error
	for _, entry := range entries {
		address, err := netip.ParseAddr(strings.ReplaceAll(entry.Name(), "_", ":"))
		if err != nil || used[address] || isLent(filepath.Join(dir, entry.Name())) {
			continue // or it is a file of another kind
		}
		failures = append(failures, os.Remove(filepath.Join(dir, entry.Name())))
	}
	return errors.Join(failures...)
}

// isLent reports whether a lease is of a container that exists. Its first line is the id that the
// runtime knows the container by.
func isLent(file string) bool {
	text, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	id, _, _ := strings.Cut(string(text), "\n")
	id = bundle.FromRuntimeID(strings.TrimSpace(id))
	if id == "" || !filepath.IsLocal(id) {
		return false
	}
	_, err = os.Stat(filepath.Join(bundle.AttachmentsDir, id))
	return err == nil
}

// usedAddresses are those that running containers have, as they are recorded and as the kernel has them.
func usedAddresses() (map[netip.Addr]bool, error) {
	ports, err := bridge.Ports()
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(bundle.MembersDir + "/*")
	if err != nil {
		return nil, err
	}
	used := map[netip.Addr]bool{}
	for _, port := range ports {
		for _, address := range port.Addresses {
			used[address] = true
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has left
		}
		member, _ := bundle.DecodeMember(filepath.Base(file), text) // a launcher that was killed may have left half a file
		for _, endpoint := range member.Networks {
			for _, text := range endpoint.Addresses {
				if address, err := netip.ParseAddr(text); err == nil {
					used[address] = true
				}
			}
		}
	}
	return used, nil
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

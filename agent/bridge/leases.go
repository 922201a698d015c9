package bridge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"iter"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/davit-project/davit/units/bundle"
)

// A lease is a file named as the address, which says whose it is as host-local's do: the container's id
// and its device, on a line each. It gets its name when it is complete.

// lend reserves an address of each subnet for a container. One that it has had since an earlier run that
// had no clean-up is its own.
func lend(network bundle.BridgeNetwork, end Endpoint) ([]netip.Prefix, error) {
	dir := filepath.Join(bundle.CNIDataDir, network.Name)
	if err := ensureLeases(network, dir); err != nil {
		return nil, err
	}
	lease := newLease(dir, end)
	if err := writeLease(lease, end.Container, end.Interface); err != nil {
		return nil, err
	}
	defer os.Remove(lease)
	asked := map[netip.Prefix]netip.Addr{}
	for _, address := range end.Addresses {
		asked[address.Masked()] = address.Addr()
	}
	var lent []netip.Prefix
	for _, subnet := range network.Subnets {
		address, err := lendOf(subnet, asked[subnet.Subnet.Masked()], end, func(address netip.Addr) error {
			file := filepath.Join(dir, address.String())
			err := os.Link(lease, file)
			if errors.Is(err, fs.ErrExist) && ownerOf(file) == end.Container {
				return nil
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		lent = append(lent, netip.PrefixFrom(address, subnet.Subnet.Bits()))
	}
	return lent, nil
}

func writeLease(file, container, device string) error {
	return os.WriteFile(file, []byte(container+"\r\n"+device), 0o600)
}

// ensureLeases makes the directory of a network's leases where it is missing, with those of the containers that the
// kernel has on the network: after boot there are none, and otherwise the leases were lost. Several launchers may do
// so at once.
func ensureLeases(network bundle.BridgeNetwork, dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	ports, err := portsOf(network.Device)
	if err != nil {
		return fmt.Errorf("find addresses in use: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(bundle.NetworkLock(network.Name)), "leases-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	for _, port := range ports {
		for _, address := range port.Addresses {
			if err := writeLease(filepath.Join(fresh, address.String()), port.Container, port.Interface); err != nil {
				return err
			}
		}
	}
	err = os.Rename(fresh, dir)
	if errors.Is(err, fs.ErrExist) {
		return nil // another launcher has made it
	}
	return err
}

// newLease is a lease's file before it has an address.
func newLease(dir string, end Endpoint) string { return filepath.Join(dir, ".new-"+end.Container) }

// lendOf reserves the requested address, or the first free one after the address derived from the container's name: a
// container that starts again has the same address unless another one has taken it.
func lendOf(subnet bundle.Subnet, asked netip.Addr, end Endpoint, reserve func(netip.Addr) error) (netip.Addr, error) {
	if asked.IsValid() {
		if asked == subnet.Gateway {
			return asked, fmt.Errorf("address %s is the gateway's", asked)
		}
		err := reserve(asked)
		if errors.Is(err, fs.ErrExist) {
			return asked, fmt.Errorf("address %s has been lent to another container", asked)
		}
		return asked, err
	}
	for address := range candidates(subnet, end.Container) {
		err := reserve(address)
		if !errors.Is(err, fs.ErrExist) {
			return address, err
		}
	}
	return netip.Addr{}, fmt.Errorf("no IP addresses available in %s: all are lent", subnet.Subnet)
}

// candidates are the addresses of a subnet in the order in which a container tries them.
func candidates(subnet bundle.Subnet, container string) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		hosts := hostsOf(subnet.Subnet)
		first := hash(container) % max(hosts, 1)
		for i := range min(hosts, maxTries) {
			address := nth(subnet.Subnet, (first+i)%hosts+1)
			if address != subnet.Gateway && !yield(address) {
				return
			}
		}
	}
}

// maxTries bounds the search in a subnet that is larger than any node has containers for.
const maxTries = 1 << 20

// hostsOf is how many addresses a subnet has for hosts, at most 2³²: all but the first, which is the
// network's, and in IPv4 the last, to which broadcasts go.
func hostsOf(subnet netip.Prefix) uint64 {
	free := min(subnet.Addr().BitLen()-subnet.Bits(), 32)
	reserved := uint64(1)
	if subnet.Addr().Is4() {
		reserved = 2
	}
	return max(uint64(1)<<free, reserved) - reserved
}

// nth is the address at an index from the subnet's first.
func nth(subnet netip.Prefix, index uint64) netip.Addr {
	first := subnet.Masked().Addr().AsSlice()
	sum := new(big.Int).Add(new(big.Int).SetBytes(first), new(big.Int).SetUint64(index))
	address, _ := netip.AddrFromSlice(sum.FillBytes(first))
	return address
}

func hash(text string) uint64 {
	sum := fnv.New64a()
	sum.Write([]byte(text))
	return binary.BigEndian.Uint64(sum.Sum(nil))
}

// leasesOf are the files of a container's leases, with one that a start which was killed did not complete. They
// are most likely where it looked first for a free address; a node of many containers has many leases to look
// through.
func leasesOf(network bundle.BridgeNetwork, end Endpoint) ([]string, error) {
	dir := filepath.Join(bundle.CNIDataDir, network.Name)
	var found []string
	for _, subnet := range network.Subnets {
		likely := slices.Clone(end.Addresses)
		for address := range candidates(subnet, end.Container) {
			likely = append(likely, netip.PrefixFrom(address, subnet.Subnet.Bits()))
			break
		}
		for _, address := range likely {
			file := filepath.Join(dir, address.Addr().String())
			if subnet.Subnet.Contains(address.Addr()) && ownerOf(file) == end.Container && !slices.Contains(found, file) {
				found = append(found, file)
			}
		}
	}
	if len(found) != len(network.Subnets) {
		var err error
		if found, err = allLeasesOf(dir, end.Container); err != nil {
			return nil, err
		}
	}
	if _, err := os.Lstat(newLease(dir, end)); err == nil && !slices.Contains(found, newLease(dir, end)) {
		found = append(found, newLease(dir, end))
	}
	return found, nil
}

func allLeasesOf(dir, container string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("free leases: %w", err)
	}
	var found []string
	for _, entry := range entries {
		if file := filepath.Join(dir, entry.Name()); ownerOf(file) == container {
			found = append(found, file)
		}
	}
	return found, nil
}

// ownerOf is the container of a lease; "" for none.
func ownerOf(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "" // it has just gone
	}
	owner, _, _ := strings.Cut(string(text), "\r\n")
	return owner
}

package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/bridge"
	"github.com/davit-project/davit/agent/bundles"
	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/nat"
	"github.com/davit-project/davit/units/bundle"
)

// Mend makes again what others have removed of what launchers made for containers that run, without restarting them:
// records, files of /etc, mounts of a sandbox, devices, addresses, routes, leases and nftables rules. It returns by
// container what cannot be made again. A container that is being started or cleaned up is left to who does that.
func Mend(ids []string) map[string]error {
	m := mending{failures: map[string]error{}, bridges: map[string]error{}}
	for _, id := range ids {
		if err := m.mend(id); err != nil {
			m.failures[id] = err
		}
	}
	if err := nat.Mend(m.standing); err != nil {
		for _, one := range m.standing {
			m.failures[one.Container] = errors.Join(m.failures[one.Container], err)
		}
	}
	return m.failures
}

// mending mends several containers: what they share once, and the rules of all together.
type mending struct {
	failures map[string]error
	bridges  map[string]error // of those that were mended, by network
	standing []nat.Standing
}

// mend mends one container, but for its rules.
func (m *mending) mend(id string) error {
	b, err := runningBundle(id)
	if b == nil || err != nil {
		return err
	}
	if busy, err := tryRecord(id); busy || err != nil {
		return err
	}
	if b.Sandbox != "" {
		return nil // what else it has is the sandbox's
	}
	lost := lostFiles(b)
	var failures []error
	if isSandbox(b) {
		failures = append(failures, mendSandbox(b))
	}
	return errors.Join(append(failures, m.connect(b), mendFiles(b, lost))...)
}

// runningBundle is the bundle of a container that runs, with its record as it was; nil where none runs.
func runningBundle(id string) (*bundle.Bundle, error) {
	if !isID(id) {
		return nil, fmt.Errorf("%q is not the name of a container", id)
	}
	dir, err := os.Readlink(bundle.RunningBundle(id))
	if err != nil {
		return linkAgain(id)
	}
	if b, err := readBundle(filepath.Dir(bundle.RecordFile(id))); err == nil {
		return b, nil
	}
	b, text, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	return b, os.WriteFile(bundle.RecordFile(id), text, 0o600)
}

// linkAgain makes the link to the bundle of a container that runs again, by what is recorded of it; it returns nil where
// none runs.
func linkAgain(id string) (*bundle.Bundle, error) {
	b, text, err := readConfig(filepath.Dir(bundle.RecordFile(id)))
	if err != nil || !isRunning(b) {
		return nil, nil
	}
	dir := bundle.Path(bundle.DirName(id, text))
	if !exists(dir) {
		return nil, errors.New("the bundle that it runs is gone: run systemctl restart " + id)
	}
	return b, os.Symlink(dir, bundle.RunningBundle(id))
}

// isRunning reports whether a container runs, or a sandbox holds its namespaces.
func isRunning(b *bundle.Bundle) bool {
	if isSandbox(b) {
		return disk.IsMounted(bundle.SandboxFile(b.ID, string(specs.NetworkNamespace)), "nsfs")
	}
	_, err := runtimeOf(b).pid()
	return err == nil
}

// tryRecord takes the lock of a container's record for as long as this process is there, unless another has it.
func tryRecord(id string) (busy bool, err error) {
	fd, err := unix.Open(bundle.RecordFile(id), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// connect mends a container's ends of davit's own networks.
func (m *mending) connect(b *bundle.Bundle) error {
	if b.Network.Mode != bundle.NetworkCNI {
		return nil
	}
	own, err := ensureMember(b)
	if err != nil {
		return err
	}
	namespace, err := namespaceOf(b)
	if err != nil {
		return err
	}
	for i, attachment := range b.Network.Attachments {
		network, isOwn, err := bundle.DecodeBridgeNetwork(attachment.Conflist)
		if err != nil || !isOwn {
			return err
		}
		end := endpointOf(b, i)
		end.Namespace, end.MAC = namespace, attachment.MAC
		standing := nat.Standing{Endpoint: nat.Endpoint{Container: b.ID, Network: network}, Unready: own.Unready}
		for _, text := range own.Networks[attachment.Network].Addresses {
			address, err := netip.ParseAddr(text)
			if err != nil {
				return err
			}
			standing.Addresses = append(standing.Addresses, address)
		}
		if i == 0 {
			standing.Ports = b.Network.Ports
		}
		if end.Addresses, err = prefixesOf(network, standing.Addresses); err != nil {
			return err
		}
		if err := m.plug(network, end, bundles.AdministersNetwork(b)); err != nil {
			return fmt.Errorf("network %s: %w", network.Name, err)
		}
		m.standing = append(m.standing, standing)
	}
	return nil
}

// plug mends the devices of a container, and before them the bridge, once for all.
func (m *mending) plug(network bundle.BridgeNetwork, end bridge.Endpoint, administers bool) error {
	unlock, err := lockNetwork(network.Name)
	if err != nil {
		return err
	}
	defer unlock()
	if _, mended := m.bridges[network.Name]; !mended {
		m.bridges[network.Name] = bridge.MendDevice(network)
	}
	if err := m.bridges[network.Name]; err != nil {
		return err
	}
	return bridge.Mend(network, end, administers)
}

// prefixesOf are addresses with the lengths of their subnets.
func prefixesOf(network bundle.BridgeNetwork, addresses []netip.Addr) (prefixes []netip.Prefix, err error) {
	for _, address := range addresses {
		i := slices.IndexFunc(network.Subnets, func(s bundle.Subnet) bool { return s.Subnet.Contains(address) })
		if i < 0 {
			return nil, fmt.Errorf("address %s is in no subnet of the network %s", address, network.Name)
		}
		prefixes = append(prefixes, netip.PrefixFrom(address, network.Subnets[i].Subnet.Bits()))
	}
	if len(prefixes) == 0 {
		return nil, fmt.Errorf("network %s: its addresses are not known any more: run systemctl restart", network.Name)
	}
	return prefixes, nil
}

// namespaceOf is the path of the network namespace of a container or sandbox that runs.
func namespaceOf(b *bundle.Bundle) (string, error) {
	if isSandbox(b) {
		return bundle.SandboxFile(b.ID, string(specs.NetworkNamespace)), nil
	}
	pid, err := runtimeOf(b).pid()
	return fmt.Sprintf("/proc/%d/ns/net", pid), err
}

// ensureMember leaves the record of a container's names and addresses, which a running container's ports of bridges
// have too.
func ensureMember(b *bundle.Bundle) (member, error) {
	own, err := readMember(bundle.MemberFile(b.ID))
	if err == nil && own.ID != "" {
		return own, nil
	}
	ports, err := bridge.Ports()
	if err != nil {
		return member{}, err
	}
	own = member{ID: b.ID, Hostname: b.Spec.Hostname, Networks: map[string]endpoint{}}
	for _, port := range ports {
		if port.Container != bundle.RuntimeID(b.ID) {
			continue
		}
		for _, attachment := range b.Network.Attachments {
			if at, ok := memberAt(b, port, attachment.Network); ok {
				own.Networks[attachment.Network] = at.Networks[attachment.Network]
			}
		}
	}
	if len(own.Networks) < len(b.Network.Attachments) {
		return member{}, errors.New("the record of its addresses is gone, and so are its devices: run systemctl restart " + b.ID)
	}
	return own, join(own, baseHosts(b))
}

// exists reports whether a path is there.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

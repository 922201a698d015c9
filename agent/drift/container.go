package drift

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/nat"
	"github.com/davit-project/davit/units/bundle"
)

// container is a container, or the sandbox of a pod, that runs.
type container struct {
	*bundle.Bundle
	// namespace is the path of its network namespace; empty where that is not known.
	namespace string
	// attached are its attachments to networks that davit itself implements.
	attached []attachment
	unready  bool
	// fault is the fault of the record of all that.
	fault string
}

// attachment is the attachment of a container to a network that davit itself implements.
type attachment struct {
	network   bundle.BridgeNetwork
	device    string
	addresses []netip.Prefix
}

// read reads the records of a running container.
func read(b *bundle.Bundle) (container, error) {
	one := container{Bundle: b}
	if b.Network.Mode != bundle.NetworkCNI {
		return one, nil
	}
	one.namespace = namespaceOf(b)
	m, err := readMember(b.ID)
	if errors.Is(err, fs.ErrNotExist) {
		one.fault = "the record of its addresses is gone"
		return one, nil
	}
	if err != nil {
		return container{}, err
	}
	one.unready = m.Unready
	for i, has := range b.Network.Attachments {
		network, own, err := bundle.DecodeBridgeNetwork(has.Conflist)
		if err != nil {
			return container{}, err
		}
		if own {
			addresses := within(network, m.Networks[has.Network].Addresses)
			one.attached = append(one.attached, attachment{network, fmt.Sprintf("eth%d", i), addresses})
		}
	}
	return one, nil
}

// within are addresses with the lengths of the subnets that they are of.
func within(network bundle.BridgeNetwork, addresses []string) []netip.Prefix {
	var found []netip.Prefix
	for _, text := range addresses {
		address, err := netip.ParseAddr(text)
		if err != nil {
			continue // in no subnet
		}
		for _, subnet := range network.Subnets {
			if subnet.Subnet.Contains(address) {
				found = append(found, netip.PrefixFrom(address, subnet.Subnet.Bits()))
			}
		}
	}
	return found
}

// readMember reads the record of a container's networks. Half of a record is none.
func readMember(id string) (bundle.Member, error) {
	text, err := os.ReadFile(bundle.MemberFile(id))
	if err != nil {
		return bundle.Member{}, err
	}
	m, ok := bundle.DecodeMember(id, text)
	if !ok {
		return bundle.Member{}, fs.ErrNotExist
	}
	return m, nil
}

// standing are the endpoints whose nftables rules have to be there. Ports are published through the first network.
func (c container) standing() []nat.Standing {
	var all []nat.Standing
	for _, attached := range c.attached {
		one := nat.Standing{Endpoint: nat.Endpoint{Container: c.ID, Network: attached.network}, Unready: c.unready}
		for _, address := range attached.addresses {
			one.Addresses = append(one.Addresses, address.Addr())
		}
		if attached.device == "eth0" {
			one.Ports = c.Network.Ports
		}
		all = append(all, one)
	}
	return all
}

// namespaceOf is the path of a container's network namespace; empty where its process is not known.
func namespaceOf(b *bundle.Bundle) string {
	if b.Spec.Process == nil {
		return bundle.SandboxFile(b.ID, string(specs.NetworkNamespace))
	}
	if pid := processOf(b); pid > 0 {
		return fmt.Sprintf("/proc/%d/ns/net", pid)
	}
	return ""
}

// hasEnded reports whether the container's process is known and has ended: its namespaces go with it.
func (c container) hasEnded() bool {
	if c.namespace == "" || c.Spec.Process == nil {
		return false
	}
	_, err := os.Readlink(c.namespace)
	return err != nil
}

// hasFinished reports whether a container has run to its end and was cleaned up. The link to its bundle then stays until
// the unit stops, but there is no record and no known process.
func hasFinished(b *bundle.Bundle) bool {
	return !exists(bundle.RecordFile(b.ID)) && hasNoProcess(b)
}

// hasNoProcess reports whether no process of a container is known: it has ended, and its launcher has cleaned up.
func hasNoProcess(b *bundle.Bundle) bool { return b.Spec.Process != nil && processOf(b) == 0 }

// processOf is a container's first process, as its runtime has recorded it; 0 where it has not.
func processOf(b *bundle.Bundle) int {
	if b.Runtime != "" {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(bundle.RecordFile(b.ID)), "oci", "pid"))
		pid, invalid := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || invalid != nil {
			return 0
		}
		return pid
	}
	file, err := os.Open(filepath.Join(bundle.RuntimeDir, bundle.RuntimeID(b.ID), "state.json"))
	if err != nil {
		return 0
	}
	defer file.Close()
	return firstProcess(json.NewDecoder(file))
}

// firstProcess finds the process in libcontainer's state (BaseState of runc's libcontainer), where it comes before all
// that is long.
func firstProcess(state *json.Decoder) int {
	for {
		token, err := state.Token()
		if err != nil {
			return 0
		}
		if token == "init_process_pid" {
			var pid int
			if state.Decode(&pid) != nil {
				return 0
			}
			return pid
		}
	}
}

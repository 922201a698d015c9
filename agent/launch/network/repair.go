package network

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/bridge"
	"github.com/davit-project/davit/agent/bundles"
	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/nat"
	"github.com/davit-project/davit/units/bundle"
)

// Repair restores parts of several containers' networks that other programs have removed: the parts that they share
// once, and the nftables rules of all together.
type Repair struct {
	bridges  map[string]error // of those that were repaired, by device
	standing []nat.Standing
}

// Rules restores the nftables rules of all containers that were connected, and adds to failures, by container, why that
// was not possible.
func (r *Repair) Rules(failures map[string]error) {
	if err := nat.Mend(r.standing); err != nil {
		r.failRules(err, failures)
	}
}

// failRules notes for each container that the rules were not restored. The error is about all of them, and may be long:
// one container has it, the others refer to that one.
func (r *Repair) failRules(err error, failures map[string]error) {
	noted := map[string]bool{}
	for i, one := range r.standing {
		if i > 0 {
			err = fmt.Errorf("nftables rules: see %s", r.standing[0].Container)
		}
		if !noted[one.Container] {
			noted[one.Container] = true
			failures[one.Container] = errors.Join(failures[one.Container], err)
		}
	}
}

// connected is a running container or sandbox, while its connections to davit's networks are repaired.
type connected struct {
	*bundle.Bundle
	member    bundle.Member
	namespace string // the path of its network namespace
	// administers is set if its processes may change the configuration of the namespace.
	administers bool
}

// Connect repairs a container's connections to davit's networks, and notes the nftables rules that it needs. namespaceOf
// has the path of its network namespace.
func (r *Repair) Connect(b *bundle.Bundle, namespaceOf func(*bundle.Bundle) (string, error)) error {
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
	c := connected{b, own, namespace, bundles.AdministersNetwork(b)}
	var failures []error
	for i, attachment := range b.Network.Attachments {
		network, isOwn, err := bundle.DecodeBridgeNetwork(attachment.Conflist)
		if err == nil && isOwn {
			err = r.connectTo(network, c, i)
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("network %s: %w", attachment.Network, err))
		}
	}
	return errors.Join(failures...)
}

// connectTo repairs a container's connection to its network of this index.
func (r *Repair) connectTo(network bundle.BridgeNetwork, c connected, index int) error {
	standing, err := c.standing(network, index)
	if err != nil {
		return err
	}
	end := endpointOf(c.Bundle, index)
	end.Namespace, end.MAC = c.namespace, c.Network.Attachments[index].MAC
	if end.Addresses, err = prefixesOf(network, standing.Addresses); err != nil {
		return err
	}
	if err := r.plug(network, end, c.administers); err != nil {
		return err
	}
	r.standing = append(r.standing, standing)
	return nil
}

// standing returns the state from which the container's rules for a network follow. Ports are published through the
// first network.
func (c connected) standing(network bundle.BridgeNetwork, index int) (nat.Standing, error) {
	standing := nat.Standing{Endpoint: nat.Endpoint{Container: c.ID, Network: network}, Unready: c.member.Unready}
	for _, text := range c.member.Networks[c.Network.Attachments[index].Network].Addresses {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return standing, err
		}
		standing.Addresses = append(standing.Addresses, address)
	}
	if index == 0 {
		standing.Ports = c.Network.Ports
	}
	return standing, nil
}

// plug mends the devices of a container, and before them the bridge, once for all.
func (r *Repair) plug(network bundle.BridgeNetwork, end bridge.Endpoint, administers bool) error {
	unlock, err := lockNetwork(network.Name)
	if err != nil {
		return err
	}
	defer unlock()
	if r.bridges == nil {
		r.bridges = map[string]error{}
	}
	if _, mended := r.bridges[network.Device]; !mended {
		r.bridges[network.Device] = bridge.MendDevice(network)
	}
	if err := r.bridges[network.Device]; err != nil {
		return err
	}
	return bridge.Mend(network, end, administers)
}

// prefixesOf are addresses with the lengths of their subnets.
func prefixesOf(network bundle.BridgeNetwork, addresses []netip.Addr) (prefixes []netip.Prefix, err error) {
	for _, address := range addresses {
		i := slices.IndexFunc(network.Subnets, func(s bundle.Subnet) bool { return s.Subnet.Contains(address) })
		if i < 0 {
			return nil, fmt.Errorf("address %s is in no subnet of it", address)
		}
		prefixes = append(prefixes, netip.PrefixFrom(address, network.Subnets[i].Subnet.Bits()))
	}
	if len(prefixes) == 0 {
		return nil, errors.New("the container's addresses are not known any more: run systemctl restart")
	}
	return prefixes, nil
}

// ensureMember leaves the record of a container's names and addresses. The container's /etc/hosts stays the same file,
// which the container has mounted.
func ensureMember(b *bundle.Bundle) (bundle.Member, error) {
	unlock, err := disk.Lock(namesLock, unix.LOCK_EX)
	if err != nil {
		return bundle.Member{}, err
	}
	defer unlock()
	own, err := readMember(bundle.MemberFile(b.ID))
	if err == nil && own.ID != "" {
		return own, nil
	}
	if own, err = lostMember(b); err != nil {
		return bundle.Member{}, err
	}
	_, err = publish(own)
	return own, err
}

// lostMember restores the member record of a running container from the record of its neighbours, or else from its
// ports of bridges. Its addresses on a foreign network may be unknown.
func lostMember(b *bundle.Bundle) (bundle.Member, error) {
	ports, err := bridge.Ports()
	if err != nil {
		return bundle.Member{}, err
	}
	ports = slices.DeleteFunc(ports, func(port bridge.Port) bool { return port.Container != bundle.RuntimeID(b.ID) })
	lost := bundle.Member{ID: b.ID, Hostname: b.Spec.Hostname, Networks: map[string]bundle.Endpoint{}}
	for _, attachment := range b.Network.Attachments {
		known := lastKnown(b, attachment, ports)
		_, isOwn, err := bundle.DecodeBridgeNetwork(attachment.Conflist)
		if err != nil {
			return bundle.Member{}, err
		}
		if isOwn && len(known.Addresses) == 0 {
			return bundle.Member{}, errors.New("the record of its addresses is gone, and so are its devices: run systemctl restart " + b.ID)
		}
		lost.Networks[attachment.Network], lost.Unready = known.Endpoint, lost.Unready || known.Unready
	}
	lost.Base = baseHosts(b) + ownHosts(lost)
	return lost, nil
}

// lastKnown returns the known state of a container on one network.
func lastKnown(b *bundle.Bundle, attachment bundle.Attachment, ports []bridge.Port) neighbour {
	all, _ := readRecord(attachment.Network)
	if i := slices.IndexFunc(all, func(n neighbour) bool { return n.ID == b.ID }); i >= 0 {
		return all[i]
	}
	for _, port := range ports {
		if m, ok := memberAt(b, port, attachment.Network); ok {
			return neighbour{Endpoint: m.Networks[attachment.Network]}
		}
	}
	return neighbour{Endpoint: bundle.Endpoint{Names: attachment.Names}}
}

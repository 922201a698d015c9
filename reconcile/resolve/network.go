package resolve

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// Names of networks that need no manifest.
const (
	defaultNetwork = "default"
	noNetwork      = "none"
)

// networks makes the declared networks desired. The default network joins them when a
// container first uses it.
func (r *resolver) networks() {
	for _, object := range r.in.Objects {
		declared, ok := object.Object.(*v1.Network)
		if !ok {
			continue
		}
		if _, err := r.network(declared); err != nil {
			r.problem(object, in(reconcile.PartNetwork, err))
		}
	}
}

// network adds one network to the desired state, unless its bridge or subnet belongs to the node or to another network.
func (r *resolver) network(declared *v1.Network) (reconcile.Network, error) {
	network, err := cniNetwork(declared)
	if err != nil {
		return reconcile.Network{}, err
	}
	if err := r.claim(network); err != nil {
		return reconcile.Network{}, err
	}
	r.desired.Networks[declared.Metadata.Name] = network
	return network, nil
}

// attach returns how a container reaches the world and the names of the networks it
// needs davit to make.
func (r *resolver) attach(spec v1.SandboxFields, published []v1.ContainerPort, names []string) (bundle.Network, []string, error) {
	switch {
	case spec.HostNetwork:
		return bundle.Network{Mode: bundle.NetworkHost}, nil, nil
	case len(spec.Networks) == 1 && spec.Networks[0].Name == noNetwork:
		return bundle.Network{Mode: bundle.NetworkNone}, nil, nil
	}
	if err := checkAssigned(published); err != nil {
		return bundle.Network{}, nil, err
	}
	wanted := spec.Networks
	if len(wanted) == 0 {
		wanted = []v1.NetworkAttachment{{Name: defaultNetwork}}
	}
	network := bundle.Network{Mode: bundle.NetworkCNI, Ports: ports(published)}
	var managed []string
	for i, want := range wanted {
		field := fmt.Sprintf("networks[%d]", i)
		attachment := bundle.Attachment{
			Network: want.Name,
			Names:   slices.Concat(names, want.Aliases),
			MAC:     want.MACAddress,
		}
		var subnets []string
		if own, ok, err := r.ownNetwork(want.Name); err != nil {
			return bundle.Network{}, nil, at(field, err)
		} else if ok {
			r.made.networks[want.Name] = own
			attachment.Conflist = own.Conflist
			subnets = own.Subnets
			managed = append(managed, want.Name)
		} else if conflist, ok := r.in.NodeNetworks[want.Name]; ok {
			attachment.Conflist = conflist
		} else {
			return bundle.Network{}, nil, at(field, fmt.Errorf("network %s is not defined: add a Network object, or a CNI configuration list in /etc/cni/net.d", want.Name))
		}
		var err error
		if attachment.Addresses, err = staticAddresses(want, subnets); err != nil {
			return bundle.Network{}, nil, at(field+".addresses", err)
		}
		network.Attachments = append(network.Attachments, attachment)
	}
	return network, managed, nil
}

// keepsNetwork reports whether a container that crashes continues with its network. It does if systemd starts it again without
// limit: otherwise no process would remove the network afterwards. A start reuses or repairs davit's own networks; only their
// plugins know others. The network of a container with users of its own is removed with its namespace.
func keepsNetwork(run runnable, b *bundle.Bundle) bool {
	if run.role != units.RoleContainer || b.Network.Mode != bundle.NetworkCNI || !restartsAfterCrashes(run) {
		return false
	}
	for _, attachment := range b.Network.Attachments {
		if _, own, err := bundle.DecodeBridgeNetwork(attachment.Conflist); !own || err != nil {
			return false
		}
	}
	return !slices.ContainsFunc(b.Spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace })
}

// restartsAfterCrashes reports whether systemd starts a container again however often it crashes.
func restartsAfterCrashes(run runnable) bool {
	if restartOf(run.ContainerSpec) == reconcile.RestartNever || run.MaxRestarts != nil {
		return false
	}
	for _, settings := range []v1.UnitSection{run.Unit, run.Service} {
		for name := range settings {
			if strings.HasPrefix(name, "StartLimit") || strings.HasPrefix(name, "Restart") && !strings.HasSuffix(name, "Sec") {
				return false
			}
		}
	}
	return true
}

// staticAddresses completes addresses with the prefix length of the subnet they are in, as
// the CNI convention for the capability ips wants them
// (https://www.cni.dev/docs/conventions/).
func staticAddresses(want v1.NetworkAttachment, subnets []string) ([]netip.Prefix, error) {
	var addresses []netip.Prefix
	for _, text := range want.Addresses {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("address %s: %w", text, err)
		}
		length := -1
		for _, subnet := range subnets {
			if prefix, err := netip.ParsePrefix(subnet); err == nil && prefix.Contains(address) {
				length = prefix.Bits()
			}
		}
		if length < 0 {
			return nil, fmt.Errorf("address %s is in no subnet of network %s (%s)", text, want.Name, strings.Join(subnets, ", "))
		}
		addresses = append(addresses, netip.PrefixFrom(address, length))
	}
	return addresses, nil
}

// ownNetwork returns a network that davit makes. A name that has a problem of its own
// is an error, so that no container starts on another network by chance.
func (r *resolver) ownNetwork(name string) (network reconcile.Network, ok bool, err error) {
	ref := v1.Ref{Kind: v1.KindNetwork, Name: name}
	if network, ok = r.desired.Networks[name]; ok {
		return network, true, nil
	}
	for _, problem := range r.desired.Problems {
		if problem.Ref == ref {
			return reconcile.Network{}, false, fmt.Errorf("%s: %w", ref, problem.Err)
		}
	}
	if name != defaultNetwork {
		return reconcile.Network{}, false, nil
	}
	network, err = r.network(&v1.Network{Metadata: v1.ObjectMeta{Name: name}})
	return network, err == nil, err
}

// cniNetwork renders a network as a CNI configuration list.
func cniNetwork(declared *v1.Network) (reconcile.Network, error) {
	name, spec := declared.Metadata.Name, declared.Spec
	if len(spec.Plugins) > 0 {
		return pluginNetwork(declared)
	}
	network := reconcile.Network{Ref: declared.Ref(), Bridge: bridgeName(name, spec.Interface)}
	own := bundle.BridgeNetwork{Name: name, Device: network.Bridge, MTU: int(spec.MTU), Internal: spec.Internal}
	var err error
	if own.Subnets, err = subnetsOf(name, spec.Subnets); err != nil {
		return reconcile.Network{}, err
	}
	for _, subnet := range own.Subnets {
		network.Subnets = append(network.Subnets, subnet.Subnet.String())
	}
	if network.Conflist, err = own.Encode(); err != nil {
		return reconcile.Network{}, fmt.Errorf("encode network %s: %w", name, err)
	}
	return network, nil
}

// pluginNetwork renders a network of CNI plugins
// (https://www.cni.dev/docs/spec/#section-1-network-configuration-format).
func pluginNetwork(declared *v1.Network) (reconcile.Network, error) {
	name := declared.Metadata.Name
	text, err := json.Marshal(struct {
		CNIVersion string         `json:"cniVersion"`
		Name       string         `json:"name"`
		Plugins    []v1.CNIPlugin `json:"plugins"`
	}{"1.0.0", name, declared.Spec.Plugins})
	if err != nil {
		return reconcile.Network{}, fmt.Errorf("encode network %s: %w", name, err)
	}
	return reconcile.Network{Ref: declared.Ref(), Conflist: text}, nil
}

// subnetsOf returns the subnets with their gateways, picked where none are declared.
func subnetsOf(name string, declared []v1.Subnet) ([]bundle.Subnet, error) {
	if len(declared) == 0 {
		declared = pickSubnets(name)
	}
	subnets := make([]bundle.Subnet, len(declared))
	for i, subnet := range declared {
		prefix, err := netip.ParsePrefix(subnet.Subnet)
		if err != nil {
			return nil, fmt.Errorf("subnet %s: %w", subnet.Subnet, err)
		}
		gateway := prefix.Masked().Addr().Next()
		if subnet.Gateway != "" {
			if gateway, err = netip.ParseAddr(subnet.Gateway); err != nil {
				return nil, fmt.Errorf("gateway %s: %w", subnet.Gateway, err)
			}
		}
		subnets[i] = bundle.Subnet{Subnet: prefix, Gateway: gateway}
	}
	return subnets, nil
}

// pickSubnets derives subnets from the network's name, so that they depend on nothing
// that could be lost or differ between passes: an IPv4 /24 of 10.89.4.0 to
// 10.127.255.0, and a /64 of the unique local prefix fd64:6176:6974::/48 (RFC 4193,
// whose 40 random bits spell "davit"). The default network has the first of each, and
// as many addresses of IPv4 as a bridge of Linux has ports (BR_MAX_PORTS, 1,024).
func pickSubnets(name string) []v1.Subnet {
	const first, second, defaults = 89, 127, 4 // /24s that the default network has
	if name == defaultNetwork {
		return []v1.Subnet{{Subnet: fmt.Sprintf("10.%d.0.0/22", first)}, {Subnet: netip.PrefixFrom(ulaSubnet(0), 64).String()}}
	}
	sum := sha256.Sum256([]byte(name))
	const slots = (second-first+1)*256 - defaults
	index := binary.BigEndian.Uint16(sum[:])%slots + defaults
	return []v1.Subnet{
		{Subnet: fmt.Sprintf("10.%d.%d.0/24", first+index/256, index%256)},
		{Subnet: netip.PrefixFrom(ulaSubnet(index), 64).String()},
	}
}

func ulaSubnet(index uint16) netip.Addr {
	address := [16]byte{0: 0xfd, 1: 'd', 2: 'a', 3: 'v', 4: 'i', 5: 't'}
	binary.BigEndian.PutUint16(address[6:], index)
	return netip.AddrFrom16(address)
}

// bridgeName derives a device name of at most 15 bytes (IFNAMSIZ, netdevice(7)).
func bridgeName(network, declared string) string {
	const prefix, limit = "dv-", 15
	switch {
	case declared != "":
		return declared
	case network == defaultNetwork:
		return "davit0"
	case len(prefix+network) <= limit:
		return prefix + network
	default:
		sum := sha256.Sum256([]byte(network))
		return prefix + hex.EncodeToString(sum[:6])
	}
}

// ports are the published ports. A range is one of them, and so are ports that are listed one by one and follow each other.
func ports(declared []v1.ContainerPort) []bundle.Port {
	var published []bundle.Port
	for _, port := range declared {
		if port.HostPort == 0 {
			continue
		}
		protocol := strings.ToLower(port.Protocol)
		if protocol == "" {
			protocol = "tcp"
		}
		one := bundle.Port{HostPort: port.HostPort, ContainerPort: port.ContainerPort, Protocol: protocol, HostIP: port.HostIP}
		if port.EndPort > port.ContainerPort {
			one.Count = port.EndPort - port.ContainerPort + 1
		}
		published = append(published, one)
	}
	return bundle.Merge(published)
}

func hostAliases(declared []v1.HostAlias) []bundle.HostAlias {
	var aliases []bundle.HostAlias
	for _, alias := range declared {
		aliases = append(aliases, bundle.HostAlias{IP: alias.IP, Names: alias.Hostnames})
	}
	return aliases
}

// dnsOf returns a container's additions to the node's name resolution.
func dnsOf(spec v1.SandboxFields) bundle.DNS {
	dns := bundle.DNS{
		Only:     spec.DNSPolicy == "None",
		Servers:  spec.DNSConfig.Nameservers,
		Searches: spec.DNSConfig.Searches,
	}
	for _, option := range spec.DNSConfig.Options {
		text := option.Name
		if option.Value != "" {
			text += ":" + option.Value
		}
		dns.Options = append(dns.Options, text)
	}
	return dns
}

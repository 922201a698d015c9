package v1

import "encoding/json"

// Network is a CNI network that containers attach to by name.
type Network struct {
	TypeMeta `json:",inline"`
	// Metadata names the network.
	Metadata ObjectMeta `json:"metadata"`
	// Spec describes it; empty means a bridge with NAT and addresses davit picks.
	Spec NetworkSpec `json:"spec,omitzero"`
}

// Ref implements [Object].
func (n *Network) Ref() Ref { return Ref{KindNetwork, n.Metadata.Name} }

// Meta implements [Object].
func (n *Network) Meta() ObjectMeta { return n.Metadata }

// NetworkSpec describes a bridge network, or with plugins any CNI network.
type NetworkSpec struct {
	// Interface is the bridge device's name, at most 15 bytes; the default is
	// derived from the network's name. davit makes the bridge: a device that exists
	// already is not used.
	Interface string `json:"interface,omitempty"`
	// Subnets are the address ranges, at most one of each family. The default is
	// one IPv4 /24, of the network default a /22, and one IPv6 /64 derived from the
	// network's name.
	Subnets []Subnet `json:"subnets,omitempty" patchStrategy:"merge" patchMergeKey:"subnet"`
	// Internal networks have no route to the outside and no NAT.
	Internal bool `json:"internal,omitempty"`
	// MTU of the devices; default is the kernel's.
	MTU int32 `json:"mtu,omitempty"`
	// Plugins replaces the bridge by a CNI plugin chain of its own, as the
	// plugins of a conflist. No other field may be given then.
	Plugins []CNIPlugin `json:"plugins,omitempty"`
}

// Subnet is one address range.
type Subnet struct {
	// Subnet is a prefix such as 10.20.0.0/24.
	Subnet string `json:"subnet"`
	// Gateway is the bridge's own address; the default is the first of the subnet.
	Gateway string `json:"gateway,omitempty"`
}

// CNIPlugin is one plugin's configuration; davit reads only its "type".
type CNIPlugin map[string]json.RawMessage

package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
)

// BridgeNetwork is a network that davit itself implements: a bridge device that has the subnets' gateway addresses. In
// a CNI configuration list it is the one plugin of type "davit".
type BridgeNetwork struct {
	// Name is the network's.
	Name string `json:"-"`
	// Device is the bridge's name.
	Device string `json:"bridge"`
	// MTU is that of all devices; 0 is the kernel's default.
	MTU int `json:"mtu,omitempty"`
	// Subnets are the networks of which each container has an address.
	Subnets []Subnet `json:"subnets"`
	// Internal is set for a network without a route to others.
	Internal bool `json:"internal,omitempty"`
}

// Subnet is a range of addresses; the gateway is the bridge's own.
type Subnet struct {
	Subnet  netip.Prefix `json:"subnet"`
	Gateway netip.Addr   `json:"gateway"`
}

// bridgeType is the type of the plugin.
const bridgeType = "davit"

type bridgePlugin struct {
	Type string `json:"type"`
	BridgeNetwork
}

// bridgeList is a CNI network configuration list
// (https://www.cni.dev/docs/spec/#section-1-network-configuration-format).
type bridgeList struct {
	CNIVersion string         `json:"cniVersion"`
	Name       string         `json:"name"`
	Plugins    []bridgePlugin `json:"plugins"`
}

// Encode writes the network as a CNI configuration list.
func (n BridgeNetwork) Encode() (json.RawMessage, error) {
	return json.Marshal(bridgeList{CNIVersion: "1.0.0", Name: n.Name, Plugins: []bridgePlugin{{bridgeType, n}}})
}

// DecodeBridgeNetwork decodes a network of [BridgeNetwork.Encode]; own is false for a list of CNI plugins.
func DecodeBridgeNetwork(conflist []byte) (network BridgeNetwork, own bool, err error) {
	var types struct{ Plugins []struct{ Type string } }
	if err := json.Unmarshal(conflist, &types); err != nil {
		return BridgeNetwork{}, false, err
	}
	if len(types.Plugins) != 1 || types.Plugins[0].Type != bridgeType {
		return BridgeNetwork{}, false, nil
	}
	var list bridgeList
	if err := json.Unmarshal(conflist, &list); err != nil {
		return BridgeNetwork{}, false, err
	}
	network = list.Plugins[0].BridgeNetwork
	network.Name = list.Name
	if network.Device == "" || len(network.Subnets) == 0 {
		return BridgeNetwork{}, false, errors.New("a network of type davit needs a bridge and subnets")
	}
	return network, true, nil
}

// NetworkRecord is the record of a network: its last configuration. A running container may still have an
// earlier configuration.
type NetworkRecord struct {
	// Bridge is the device that the network has on the node; empty if it has none, or CNI plugins make it.
	Bridge string `json:"bridge,omitempty"`
	// Conflist is the CNI configuration list.
	Conflist json.RawMessage `json:"conflist"`
}

// SameNetwork reports whether two CNI configuration lists mean the same network, however they are written. Of one of
// davit's own networks, fields that this davit does not know are left out: another davit has written them.
func SameNetwork(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	one, ownOne, errOne := DecodeBridgeNetwork(a)
	two, ownTwo, errTwo := DecodeBridgeNetwork(b)
	switch {
	case errOne != nil || errTwo != nil || ownOne != ownTwo:
		return false
	case ownOne:
		return reflect.DeepEqual(one, two)
	}
	var listOne, listTwo any
	return json.Unmarshal(a, &listOne) == nil && json.Unmarshal(b, &listTwo) == nil && reflect.DeepEqual(listOne, listTwo)
}

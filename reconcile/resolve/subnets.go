package resolve

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
)

// Range is a range of addresses that the node uses itself: no network of davit may overlap it.
type Range struct {
	Prefix netip.Prefix
	// Device has an address in the range, or the node's route to the range goes through it. davit did not make it.
	Device string
	// Routed is set for a route alone.
	Routed bool
}

// text says whose the range is.
func (r Range) text() string {
	if r.Routed {
		return fmt.Sprintf("%s, which the node reaches through %s", r.Prefix, r.Device)
	}
	return fmt.Sprintf("%s of the node's %s", r.Prefix, r.Device)
}

// Bridges returns the names of the devices that the networks of the objects have or would have, each once. Whether the
// node has devices of these names that davit did not make is for the edge to find out.
func Bridges(objects []object.Object) []string {
	named := map[string]bool{bridgeName(defaultNetwork, ""): true}
	for _, object := range objects {
		if declared, ok := object.Object.(*v1.Network); ok && len(declared.Spec.Plugins) == 0 {
			named[bridgeName(declared.Metadata.Name, declared.Spec.Interface)] = true
		}
	}
	return slices.Sorted(maps.Keys(named))
}

// claim reserves a network's device and subnets for it, unless they are the node's or another network's.
func (r *resolver) claim(network reconcile.Network) error {
	if network.Bridge == "" {
		return nil // the addresses of plugins are not known
	}
	if slices.Contains(r.in.Node.Devices, network.Bridge) {
		return fmt.Errorf("interface %s of %s is a device of the node that davit did not make: give the network another spec.interface", network.Bridge, network.Ref)
	}
	for _, other := range r.claimed {
		if other.Bridge == network.Bridge {
			return conflictError{fmt.Errorf("interface %s of %s is %s's already: give one of them another spec.interface", network.Bridge, network.Ref, other.Ref)}
		}
	}
	for _, text := range network.Subnets {
		subnet, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("subnet %s: %w", text, err)
		}
		if err := r.isFree(network, subnet); err != nil {
			return err
		}
	}
	r.claimed = append(r.claimed, network)
	return nil
}

// isFree reports the owner of addresses that overlap a subnet.
func (r *resolver) isFree(network reconcile.Network, subnet netip.Prefix) error {
	for _, used := range r.in.Node.Ranges {
		if used.Prefix.Overlaps(subnet) {
			return fmt.Errorf("subnet %s of %s overlaps %s: give the network other spec.subnets", subnet, network.Ref, used.text())
		}
	}
	for _, other := range r.claimed {
		for _, text := range other.Subnets {
			if taken, err := netip.ParsePrefix(text); err == nil && taken.Overlaps(subnet) {
				return conflictError{fmt.Errorf("subnet %s of %s overlaps %s of %s: give one of them other spec.subnets", subnet, network.Ref, taken, other.Ref)}
			}
		}
	}
	return nil
}

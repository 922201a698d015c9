package nat

import (
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/davit-project/davit/units/bundle"
)

// numbering looks up the container's port for a port of the node, in a range whose numbers differ. The map has an element
// for each port and is the rule's own: the kernel removes it with the rule. The kernel could add an offset to a port
// (NF_NAT_RANGE_PROTO_OFFSET of linux/netfilter/nf_nat.h), but it then takes the next port if a client's connection meets
// another of the same client (nf_nat_l4proto_unique_tuple in Linux' nf_nat_core.c): that is the wrong one, published or not.
type numbering struct {
	*expr.Lookup
	port bundle.Port
}

// elementsPerMessage keeps the list of elements, an attribute of 28 bytes for each, below the 65,535 bytes that an
// attribute can have (struct nlattr of linux/netlink.h).
const elementsPerMessage = 2000

// add queues the map.
func (n numbering) add(conn *socket) error {
	numbers := &nftables.Set{
		Table: table, Anonymous: true, Constant: true, IsMap: true,
		KeyType: nftables.TypeInetService, DataType: nftables.TypeInetService,
	}
	if err := conn.AddSet(numbers, nil); err != nil {
		return err
	}
	n.SetName, n.SetID = numbers.Name, numbers.ID
	numbers.Anonymous = false // or the library adds no elements
	var elements []nftables.SetElement
	for offset := range n.port.Count {
		elements = append(elements, nftables.SetElement{Key: portBytes(n.port.HostPort + offset), Val: portBytes(n.port.ContainerPort + offset)})
	}
	for part := range slices.Chunk(elements, elementsPerMessage) {
		if err := conn.SetAddElements(numbers, part); err != nil {
			return err
		}
	}
	return nil
}

package agent

import (
	"fmt"
	"slices"

	"github.com/davit-project/davit/agent/listeners"
	"github.com/davit-project/davit/manifests"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile/resolve"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/systemd"
)

// portsInUse reads which ports of the node have an owner, if davit is to choose one.
func (n *Node) portsInUse(set *manifests.Set) (resolve.PortsInUse, error) {
	used := resolve.PortsInUse{}
	if !resolve.HasAutoPorts(set.Objects) {
		return used, nil
	}
	current, _, err := systemd.Current()
	if err != nil {
		return used, err
	}
	used.Published = map[string][]bundle.Port{}
	for _, dir := range sortedValues(current) {
		if b := n.bundles.Read(dir); b != nil && len(b.Network.Ports) > 0 {
			used.Published[b.Object] = append(used.Published[b.Object], b.Network.Ports...)
		}
	}
	used.Listening, err = autoListeners()
	return used, err
}

// autoListeners are the ports that davit may choose and on which programs listen, by protocol.
func autoListeners() (map[string][]int32, error) {
	found := map[string][]int32{}
	for _, protocol := range []string{"tcp", "udp"} {
		listed, err := listeners.List(protocol)
		if err != nil {
			return nil, fmt.Errorf("choose ports of the node: %w", err)
		}
		for _, listener := range listed {
			if port := int32(listener.Port); port >= v1.MinAutoHostPort && port <= v1.MaxAutoHostPort {
				found[protocol] = append(found[protocol], port)
			}
		}
		slices.Sort(found[protocol])
	}
	return found, nil
}

func sortedValues(of map[string]string) []string {
	values := make([]string, 0, len(of))
	for _, value := range of {
		values = append(values, value)
	}
	slices.Sort(values)
	return values
}

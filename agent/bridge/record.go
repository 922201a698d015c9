package bridge

import (
	"encoding/json"
	"os"

	"github.com/davit-project/davit/units/bundle"
)

// current is the configuration on record of a network of which a container has this one, perhaps an earlier one. By that
// the bridge would lose addresses that others use. Without a record, or if that names another device, it is the
// container's.
func current(network bundle.BridgeNetwork) bundle.BridgeNetwork {
	var record bundle.NetworkRecord
	text, err := os.ReadFile(bundle.NetworkRecordFile(network.Name))
	if err != nil || json.Unmarshal(text, &record) != nil {
		return network
	}
	recorded, own, err := bundle.DecodeBridgeNetwork(record.Conflist)
	if err != nil || !own || recorded.Device != network.Device {
		return network
	}
	return recorded
}

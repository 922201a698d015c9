package fleet

import (
	"fmt"
	"maps"
	"slices"

	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// LeftOut is a valid document that is deliberately no part of a set: what it describes may
// be removed from the node.
type LeftOut struct {
	object.Object
	// Reason says why.
	Reason string
}

// Excluded returns the reason why an object does not apply to a node, empty if it applies. Without a node in particular it excludes
// disabled objects only.
func Excluded(meta v1.ObjectMeta, node *Node) string {
	if meta.Disabled {
		return "disabled"
	}
	if node == nil {
		return ""
	}
	for _, key := range slices.Sorted(maps.Keys(meta.NodeSelector)) {
		if value, ok := node.Labels[key]; !ok || value != meta.NodeSelector[key] {
			return fmt.Sprintf("the node has no label %s=%s", key, meta.NodeSelector[key])
		}
	}
	return ""
}

package manifests

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// LeftOut is a valid document that is deliberately no part of a set: what it describes may
// be removed from the node.
type LeftOut struct {
	Object
	// Reason says why.
	Reason string
}

// leftOut says why a decoded document does not apply to a node; empty when it does. Without
// a node in particular only a disabled one is left out.
func (d *document) leftOut(node *Node) string {
	if disabled := d.nodes["metadata.disabled"]; disabled != nil && strings.EqualFold(disabled.Value, "true") {
		return "disabled"
	}
	selector := d.selector()
	if node == nil {
		d.elsewhere = len(selector) > 0
		return ""
	}
	for _, key := range slices.Sorted(maps.Keys(selector)) {
		if value, ok := node.Labels[key]; !ok || value != selector[key] {
			return fmt.Sprintf("the node has no label %s=%s", key, selector[key])
		}
	}
	return ""
}

// selector are the labels that the document wants of a node.
func (d *document) selector() map[string]string {
	labels := map[string]string{}
	if selector := d.nodes["metadata.nodeSelector"]; selector != nil && selector.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(selector.Content); i += 2 {
			labels[selector.Content[i].Value] = selector.Content[i+1].Value
		}
	}
	return labels
}

package yaml

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/davit-project/davit/manifests/object"
)

// Node is a value of a document with its place.
type Node = yaml.Node

// Kind is the kind of a [Node].
type Kind = yaml.Kind

// The kinds of nodes that a parsed document has: aliases are written out.
const (
	ScalarNode   = yaml.ScalarNode
	SequenceNode = yaml.SequenceNode
	MappingNode  = yaml.MappingNode
)

// KeyOf returns the node of a mapping's key, nil if the mapping does not have it.
func KeyOf(mapping *Node, key string) *Node {
	if i := indexOf(mapping, key); i >= 0 {
		return mapping.Content[i]
	}
	return nil
}

// ValueOf returns the value of a mapping's key, nil if the mapping does not have it.
func ValueOf(mapping *Node, key string) *Node {
	if i := indexOf(mapping, key); i >= 0 {
		return mapping.Content[i+1]
	}
	return nil
}

// indexOf is the place of a key in a mapping's content, -1 if the node is no mapping or does not have it.
func indexOf(mapping *Node, key string) int {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return -1
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return i
		}
	}
	return -1
}

// ParseScalar returns the value of a text that is one plain scalar: a string, a number or a boolean. ok is false for any other text.
func ParseScalar(text string) (scalar *Node, ok bool) {
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(text), &node); err != nil || len(node.Content) != 1 {
		return nil, false
	}
	return node.Content[0], IsPlain(node.Content[0])
}

// IsPlain reports whether a node is a string, a number or a boolean.
func IsPlain(node *Node) bool {
	return node.Kind == yaml.ScalarNode && (isNumber(node) || node.Tag == "!!bool" || node.Tag == "!!str")
}

func isNumber(node *Node) bool {
	return node.Kind == yaml.ScalarNode && (node.Tag == "!!int" || node.Tag == "!!float")
}

// Describe names the kind of a node, and its value, for "want …, got …".
func Describe(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "a mapping"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case node.Tag == "!!null":
		return "nothing"
	case node.Tag == "!!bool":
		return "the boolean " + node.Value
	case node.Tag == "!!int" || node.Tag == "!!float":
		return "the number " + node.Value
	case node.Tag == "!!timestamp":
		return "the date " + node.Value
	default:
		return fmt.Sprintf("%q", object.Shorten(node.Value))
	}
}

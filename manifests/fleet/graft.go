package fleet

import (
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/davit-project/davit/manifests/yaml"
)

// The library that merges knows values, not where they are from. So the merged value is
// turned back into nodes: each is the node of the document that has that value at that
// place, the patch asked first. Merging only picks values, it makes none.

// tagMark stands between tag and text of a scalar that is no string. As text such scalars
// keep how they are written: 0077 is not 63.
const tagMark = "\x00"

// plain is a node's value as the library wants it.
func plain(node *yaml.Node) any {
	switch node.Kind {
	case yaml.MappingNode:
		return plainMap(node)
	case yaml.SequenceNode:
		list := make([]any, 0, len(node.Content))
		for _, item := range node.Content {
			value := plain(item)
			if value == nil { // only a field can be deleted
				value = item.Tag + tagMark
			}
			list = append(list, value)
		}
		return list
	}
	switch node.Tag {
	case "!!null":
		return nil
	case "!!str":
		return node.Value
	default:
		return node.Tag + tagMark + node.Value
	}
}

func plainMap(node *yaml.Node) map[string]any {
	values := map[string]any{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		values[node.Content[i].Value] = plain(node.Content[i+1])
	}
	return values
}

// grafted returns nodes for a merged value.
func grafted(d *yaml.Document, merged any, base, patch side, schema strategicpatch.LookupPatchMeta, mergeKey string) *yaml.Node {
	for _, s := range []side{patch, base} {
		if s.node != nil && reflect.DeepEqual(merged, s.value) {
			adopt(d, s.node, s.from)
			return s.node
		}
	}
	switch merged := merged.(type) {
	case map[string]any:
		return graftMap(d, merged, base, patch, schema)
	case []any:
		return graftList(d, merged, base, patch, schema, mergeKey)
	}
	node := place(d, base, patch, yaml.ScalarNode)
	node.Tag, node.Value = "!!null", ""
	if text, ok := merged.(string); ok {
		node.Tag, node.Value = "!!str", text
		if tag, value, tagged := strings.Cut(text, tagMark); tagged {
			node.Tag, node.Value = tag, value
		}
	}
	return node
}

func graftMap(d *yaml.Document, merged map[string]any, base, patch side, schema strategicpatch.LookupPatchMeta) *yaml.Node {
	node := place(d, base, patch, yaml.MappingNode)
	for _, key := range keysInOrder(merged, base, patch) {
		name := keyNode(d, key, base, patch)
		sub, mergeKey := schemaOf(schema, key, kindOf(merged[key]))
		node.Content = append(node.Content, name, grafted(d, merged[key], base.at(key), patch.at(key), sub, mergeKey))
	}
	return node
}

func graftList(d *yaml.Document, merged []any, base, patch side, schema strategicpatch.LookupPatchMeta, mergeKey string) *yaml.Node {
	node := place(d, base, patch, yaml.SequenceNode)
	for _, item := range merged {
		node.Content = append(node.Content, grafted(d, item, base.item(item, mergeKey), patch.item(item, mergeKey), schema, ""))
	}
	return node
}

// place makes a node where the lower document has one, or else the patch.
func place(d *yaml.Document, base, patch side, kind yaml.Kind) *yaml.Node {
	at := base
	if at.node == nil {
		at = patch
	}
	node := &yaml.Node{Kind: kind}
	if at.node != nil {
		node.Line, node.Column = at.node.Line, at.node.Column
		d.SetFile(node, at.from.FileOf(at.node))
	}
	return node
}

func keyNode(d *yaml.Document, key string, base, patch side) *yaml.Node {
	for _, s := range []side{patch, base} {
		if node := yaml.KeyOf(s.node, key); node != nil {
			adopt(d, node, s.from)
			return node
		}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}
}

// adopt notes the file of nodes that come from another document.
func adopt(d *yaml.Document, node *yaml.Node, from *yaml.Document) {
	d.SetFile(node, from.FileOf(node))
	for _, child := range node.Content {
		adopt(d, child, from)
	}
}

// at is the side at a field.
func (s side) at(key string) side {
	values, ok := s.value.(map[string]any)
	if node := yaml.ValueOf(s.node, key); ok && node != nil {
		return side{s.from, node, values[key]}
	}
	return side{from: s.from}
}

// item is the side at the element of a list that has the same merge key, or is the same.
func (s side) item(like any, mergeKey string) side {
	items, ok := s.value.([]any)
	if !ok {
		return side{from: s.from}
	}
	index := slices.IndexFunc(items, func(item any) bool { return sameItem(item, like, mergeKey) })
	if index < 0 {
		return side{from: s.from}
	}
	return side{s.from, s.node.Content[index], items[index]}
}

func sameItem(a, b any, mergeKey string) bool {
	first, firstIsMap := a.(map[string]any)
	second, secondIsMap := b.(map[string]any)
	if mergeKey == "" || !firstIsMap || !secondIsMap {
		return reflect.DeepEqual(a, b)
	}
	value, ok := first[mergeKey]
	// What only says that the item is to go is no origin of one that stayed.
	return ok && first["$patch"] != "delete" && reflect.DeepEqual(value, second[mergeKey])
}

// keysInOrder sorts keys as the lower document has them, then as the patch does.
func keysInOrder(merged map[string]any, sides ...side) []string {
	var keys []string
	seen := map[string]bool{}
	for _, s := range sides {
		if s.node == nil || s.node.Kind != yaml.MappingNode {
			continue
		}
		for i := 0; i+1 < len(s.node.Content); i += 2 {
			key := s.node.Content[i].Value
			if _, ok := merged[key]; ok && !seen[key] {
				seen[key] = true
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// schemaOf is what the library looks a field up by; a field it does not know has none.
func schemaOf(schema strategicpatch.LookupPatchMeta, key string, kind yaml.Kind) (strategicpatch.LookupPatchMeta, string) {
	if schema == nil {
		return nil, ""
	}
	var sub strategicpatch.LookupPatchMeta
	var meta strategicpatch.PatchMeta
	var err error
	switch kind {
	case yaml.MappingNode:
		sub, meta, err = schema.LookupPatchMetadataForStruct(key)
	case yaml.SequenceNode:
		sub, meta, err = schema.LookupPatchMetadataForSlice(key)
	default:
		return nil, ""
	}
	if err != nil {
		return nil, ""
	}
	return sub, meta.GetPatchMergeKey()
}

func kindOf(value any) yaml.Kind {
	switch value.(type) {
	case map[string]any:
		return yaml.MappingNode
	case []any:
		return yaml.SequenceNode
	default:
		return yaml.ScalarNode
	}
}

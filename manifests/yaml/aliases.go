package yaml

import (
	"errors"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Reasons why aliases cannot be written out.
var (
	errEndless   = errors.New("an alias to a node that contains it has no end")
	errTooLarge  = errors.New("aliases make too much of it")
	errMergeKind = errors.New("<< takes a mapping, or a list of them")
)

// aliasWriter writes out the aliases of one document.
type aliasWriter struct {
	room int                 // how many nodes may still be made
	open map[*yaml.Node]bool // the anchors that are being written out
	err  error
	at   *yaml.Node // where that is
}

// writeAliases puts what anchors name in the place of aliases and merge keys, each time with nodes of its own. A document
// that has more than some nodes then is refused: aliases of aliases grow without end.
func writeAliases(root *yaml.Node, room int) (at *yaml.Node, err error) {
	w := &aliasWriter{room: room, open: map[*yaml.Node]bool{}}
	w.node(root)
	return w.at, w.err
}

// node writes out what is below a node, in place.
func (w *aliasWriter) node(node *yaml.Node) {
	if w.err != nil {
		return
	}
	w.open[node] = true
	node.Anchor = ""
	for i, child := range node.Content {
		if child.Kind == yaml.AliasNode {
			node.Content[i] = w.copyOf(child)
		} else {
			w.node(child)
		}
	}
	delete(w.open, node)
	if node.Kind == yaml.MappingNode {
		w.merge(node)
	}
}

// copyOf is what an alias stands for.
func (w *aliasWriter) copyOf(alias *yaml.Node) *yaml.Node {
	if w.open[alias.Alias] {
		w.err, w.at = errEndless, alias
	}
	copied := w.copied(alias.Alias, alias)
	w.node(copied)
	return copied
}

func (w *aliasWriter) copied(node, alias *yaml.Node) *yaml.Node {
	if w.room--; w.room < 0 && w.err == nil {
		w.err, w.at = errTooLarge, alias
	}
	if w.err != nil {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: alias.Line, Column: alias.Column}
	}
	if node.Kind == yaml.AliasNode {
		return w.copyOf(node)
	}
	copied := *node
	copied.Anchor, copied.Content = "", make([]*yaml.Node, 0, len(node.Content))
	w.open[node] = true
	for _, child := range node.Content {
		copied.Content = append(copied.Content, w.copied(child, alias))
	}
	delete(w.open, node)
	return &copied
}

// merge puts the fields of a merge key in its place; those that the mapping has itself win, and of several the first
// (https://yaml.org/type/merge.html).
func (w *aliasWriter) merge(mapping *yaml.Node) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Tag != "!!merge" {
			continue
		}
		from := []*yaml.Node{mapping.Content[i+1]}
		if from[0].Kind == yaml.SequenceNode {
			from = from[0].Content
		}
		mapping.Content = slices.Delete(mapping.Content, i, i+2)
		i -= 2
		for _, source := range from {
			if source.Kind != yaml.MappingNode {
				if w.err == nil {
					w.err, w.at = errMergeKind, source
				}
				return
			}
			for j := 0; j+1 < len(source.Content); j += 2 {
				if KeyOf(mapping, source.Content[j].Value) == nil {
					mapping.Content = append(mapping.Content, source.Content[j], source.Content[j+1])
				}
			}
		}
	}
}

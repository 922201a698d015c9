// Package yaml reads manifests: YAML and JSON in, documents out whose values have places. It checks documents against Go types, and
// reports what is wrong at its place, in the words of what people get wrong most.
//
// It is the only package that knows the YAML library. It must never know kinds of objects, or where files come from.
package yaml

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// File is one manifest file.
type File struct {
	// Path is the file's name as people know it.
	Path string
	// Name is its path below the manifest directory, with slashes, which says to which nodes
	// it applies; a file without one applies to all.
	Name string
	// Text is its content.
	Text []byte
	// Readers says who beside root and its owner can read it, "everybody"; empty when nobody can, or that is not known.
	Readers string
}

// Document is one YAML document, and what is wrong with it.
type Document struct {
	// Root is its topmost value.
	Root *Node
	// Nodes are the nodes of the fields that have been read, by path: "spec.ports[0].hostPort". The path of the root is empty.
	Nodes map[string]*Node
	// Diagnostics are its errors, in the order in which they were found.
	Diagnostics object.Diagnostics
	// Warnings are what davit leaves out of it.
	Warnings object.Diagnostics

	file  string
	files map[*Node]string // of nodes that are from another file
	open  map[*Node]bool   // scalars whose value is not known yet
}

func newDocument(file string, root *Node) *Document {
	return &Document{file: file, Root: root, Nodes: map[string]*Node{"": root}}
}

// Fresh returns the document as it was parsed.
func (d *Document) Fresh() *Document {
	fresh := newDocument(d.file, d.Root)
	fresh.files, fresh.Diagnostics = maps.Clone(d.files), slices.Clone(d.Diagnostics)
	return fresh
}

// Twin returns a document of the same values that has diagnostics of its own.
func (d *Document) Twin() *Document {
	return &Document{file: d.file, files: d.files, Root: d.Root, Nodes: d.Nodes, open: d.open}
}

// Replace gives the document another root, of nodes whose files [Document.SetFile] has set.
func (d *Document) Replace(root *Node) {
	d.Root, d.Nodes = root, map[string]*Node{"": root}
}

// Entry is the value of one of the document's own keys, nil if the document does not have it.
func (d *Document) Entry(key string) *Node { return ValueOf(d.Root, key) }

// Scalar is the value of one of the document's own keys, nil if it is no scalar.
func (d *Document) Scalar(key string) *Node {
	if node := d.Entry(key); node != nil && node.Kind == yaml.ScalarNode {
		return node
	}
	return nil
}

// isSecret reports whether messages must not show the document's values.
func (d *Document) isSecret() bool {
	kind := d.Scalar("kind")
	return kind != nil && kind.Value == v1.KindSecret
}

// NodeAt returns the node of a field, or the nearest one around it.
func (d *Document) NodeAt(field string) *Node {
	for {
		if node, ok := d.Nodes[field]; ok {
			return node
		}
		field = field[:max(strings.LastIndexAny(field, ".["), 0)]
	}
}

// Position is the place of a node.
func (d *Document) Position(node *Node) object.Position {
	return object.Position{File: d.FileOf(node), Line: max(node.Line, 1), Column: max(node.Column, 1)}
}

// FileOf is the file of a node.
func (d *Document) FileOf(node *Node) string { return cmp.Or(d.files[node], d.file) }

// SetFile notes the file of a node that comes from another one.
func (d *Document) SetFile(node *Node, file string) {
	if file == d.FileOf(node) {
		return
	}
	if d.files == nil {
		d.files = map[*Node]string{}
	}
	d.files[node] = file
}

// File is the file in which the document begins.
func (d *Document) File() string { return d.file }

// Files are the files that have parts of the document, each once: sorted, and the one in which it begins last.
func (d *Document) Files() []string {
	files := slices.Compact(slices.Sorted(maps.Values(d.files)))
	if !slices.Contains(files, d.file) {
		files = append(files, d.file)
	}
	return files
}

// LeaveOpen marks a scalar whose value depends on the node: it is neither checked nor reported.
func (d *Document) LeaveOpen(scalar *Node) {
	if d.open == nil {
		d.open = map[*Node]bool{}
	}
	d.open[scalar] = true
}

// Report adds an error at a node. The path is that of the field; the hint says what to do, and may be empty.
func (d *Document) Report(node *Node, path, message, hint string) {
	d.add(node, object.Diagnostic{Path: path, Message: message, Hint: hint})
}

// Add adds an error or a warning without a position: at the field of its path, or at the nearest one around it.
func (d *Document) Add(diagnostic object.Diagnostic) { d.add(d.NodeAt(diagnostic.Path), diagnostic) }

func (d *Document) add(node *Node, diagnostic object.Diagnostic) {
	diagnostic.Position = d.Position(node)
	switch {
	case diagnostic.Severity == object.SeverityWarning:
		d.Warnings = append(d.Warnings, diagnostic)
	case !d.open[node]:
		diagnostic.Confidential = d.isSecret()
		d.Diagnostics = append(d.Diagnostics, diagnostic)
	}
}

// Mistyped reports a node of another type than the one that is wanted. It returns nil, for the place of the value.
func (d *Document) Mistyped(node *Node, path, want, hint string) any {
	got := Describe(node)
	if d.isSecret() && node.Kind == yaml.ScalarNode && node.Tag != "!!null" {
		got = "something else"
	}
	d.Report(node, path, fmt.Sprintf("want %s, got %s", want, got), hint)
	return nil
}

// EachEntry calls yield for each entry of a mapping; keys that repeat, or differ only in
// case, are reported.
func (d *Document) EachEntry(node *Node, path string, yield func(key, value *Node)) {
	seen := map[string]*Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			d.Mistyped(key, path, "a name", "")
			continue
		}
		folded := strings.ToLower(key.Value)
		if first, twice := seen[folded]; twice {
			d.Report(key, object.Join(path, key.Value), fmt.Sprintf("appears twice, as %q in line %d too", first.Value, first.Line), "")
			continue
		}
		seen[folded] = key
		yield(key, value)
	}
}

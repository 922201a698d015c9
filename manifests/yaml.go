package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/davit-project/davit/manifests/kube"
	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// What a file may at most be: bounds that no real manifest meets and that keep a hostile
// one from costing more than an error.
const (
	maxFileSize  = 4 << 20
	maxDocuments = 1000
	maxDepth     = 64
	maxNodes     = 100_000
)

// document is one YAML document on its way to an object.
type document struct {
	file        string
	root        *yaml.Node
	object      v1.Object
	nodes       map[string]*yaml.Node // by field path
	diagnostics object.Diagnostics
	// needs is an object with an error, which keeps this one out of the set too.
	needs v1.Ref

	files     map[*yaml.Node]string // of nodes that are from another file
	open      map[*yaml.Node]bool   // scalars whose value is not known yet
	elsewhere bool                  // only some nodes get it, and which is not known

	// Of a document of Kubernetes': that it is one, where its object's fields are in it, and
	// what it is beside the object.
	kubernetes bool
	from, to   string
	others     []*document
	service    *kube.Service
	persistent *kube.PersistentVolume
	claim      *kube.Claim
	about      v1.ObjectMeta // of what becomes no object
	granted    []grant
	warnings   object.Diagnostics
}

// parse splits a file into documents. Empty documents are left out.
func parse(file File) ([]*document, object.Diagnostics) {
	broken := func(line int, message string) object.Diagnostics {
		return object.Diagnostics{{Position: object.Position{File: file.Path, Line: line, Column: 1}, Message: message}}
	}
	if len(file.Text) > maxFileSize {
		return nil, broken(1, fmt.Sprintf("%d bytes are more than a manifest may have (%d)", len(file.Text), maxFileSize))
	}
	if bad := invalidUTF8(file.Text); bad >= 0 {
		return nil, broken(1+bytes.Count(file.Text[:bad], []byte("\n")), "not UTF-8")
	}
	decoder := yaml.NewDecoder(bytes.NewReader(readable(file.Text)))
	var documents []*document
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, object.Diagnostics{syntaxError(file, err)}
		}
		if len(documents) == maxDocuments {
			return nil, broken(node.Line, fmt.Sprintf("more than %d documents in one file", maxDocuments))
		}
		root := node.Content[0]
		if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
			continue
		}
		d := &document{file: file.Path, root: root, nodes: map[string]*yaml.Node{"": root}}
		if alias, err := writeAliases(root, maxNodes); err != nil {
			d.report(alias, "", err.Error(), "write the values out")
		}
		d.checkYAML()
		if items, ok := d.listed(); ok && len(d.diagnostics) == 0 {
			documents = append(documents, items...)
			continue
		}
		documents = append(documents, d)
	}
}

func invalidUTF8(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// checkYAML refuses what YAML can do and a manifest has no use for.
func (d *document) checkYAML() {
	count := 0
	var walk func(node *yaml.Node, depth int)
	walk = func(node *yaml.Node, depth int) {
		count++
		switch {
		case count > maxNodes || len(d.diagnostics) > 0:
			return
		case depth > maxDepth:
			d.report(node, "", fmt.Sprintf("nested more than %d levels deep", maxDepth), "")
			return
		case isTemplate(node):
			d.report(node, "", "a template is no manifest", renderFirst)
			return
		case node.Style&yaml.TaggedStyle != 0:
			tag := node.Tag
			if d.secret() {
				tag = "of a Secret" // a password may begin with an exclamation mark
			}
			d.report(node, "", "tag "+tag+" is not supported", "leave it out")
			return
		}
		for _, child := range node.Content {
			walk(child, depth+1)
		}
	}
	walk(d.root, 1)
	if count > maxNodes {
		d.report(d.root, "", fmt.Sprintf("more than %d values in one document", maxNodes), "")
	}
}

func (d *document) position(node *yaml.Node) object.Position {
	return object.Position{File: d.fileOf(node), Line: max(node.Line, 1), Column: max(node.Column, 1)}
}

func (d *document) report(node *yaml.Node, path, message, hint string) {
	if d.open[node] {
		return
	}
	d.diagnostics = append(d.diagnostics, object.Diagnostic{
		Position: d.position(node), Path: path, Message: message, Hint: hint, Confidential: d.secret(),
	})
}

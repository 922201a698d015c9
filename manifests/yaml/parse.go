package yaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/davit-project/davit/manifests/object"
)

// What a file may at most be: bounds that no real manifest meets and that keep a hostile
// one from costing more than an error.
const (
	// MaxFileSize is how many bytes a file may have.
	MaxFileSize  = 4 << 20
	maxDocuments = 1000
	maxDepth     = 64
	maxNodes     = 100_000
)

// Parse splits a file into documents, those of a List included. It leaves empty documents out.
func Parse(file File) ([]*Document, object.Diagnostics) {
	broken := func(line int, message string) object.Diagnostics {
		return object.Diagnostics{{Position: object.Position{File: file.Path, Line: line, Column: 1}, Message: message}}
	}
	if len(file.Text) > MaxFileSize {
		return nil, broken(1, fmt.Sprintf("%d bytes are more than a manifest may have (%d)", len(file.Text), MaxFileSize))
	}
	if bad := invalidUTF8(file.Text); bad >= 0 {
		return nil, broken(1+bytes.Count(file.Text[:bad], []byte("\n")), "not UTF-8")
	}
	decoder := yaml.NewDecoder(bytes.NewReader(readable(file.Text)))
	var documents []*Document
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
		d := newDocument(file.Path, root)
		if alias, err := writeAliases(root, maxNodes); err != nil {
			d.Report(alias, "", err.Error(), "write the values out")
		}
		d.checkYAML()
		if items, ok := d.listed(); ok && len(d.Diagnostics) == 0 {
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
func (d *Document) checkYAML() {
	count := 0
	var walk func(node *yaml.Node, depth int)
	walk = func(node *yaml.Node, depth int) {
		count++
		switch {
		case count > maxNodes || len(d.Diagnostics) > 0:
			return
		case depth > maxDepth:
			d.Report(node, "", fmt.Sprintf("nested more than %d levels deep", maxDepth), "")
			return
		case isTemplate(node):
			d.Report(node, "", "a template is no manifest", renderFirst)
			return
		case node.Style&yaml.TaggedStyle != 0:
			tag := node.Tag
			if d.isSecret() {
				tag = "of a Secret" // a password may begin with an exclamation mark
			}
			d.Report(node, "", "tag "+tag+" is not supported", "leave it out")
			return
		}
		for _, child := range node.Content {
			walk(child, depth+1)
		}
	}
	walk(d.Root, 1)
	if count > maxNodes {
		d.Report(d.Root, "", fmt.Sprintf("more than %d values in one document", maxNodes), "")
	}
}

// listed are the documents of a List, each with its own place; nil when the document is none.
func (d *Document) listed() ([]*Document, bool) {
	kind, items := d.Scalar("kind"), d.Entry("items")
	if kind == nil || kind.Value != "List" || items == nil || items.Kind != yaml.SequenceNode {
		return nil, false
	}
	documents := make([]*Document, 0, len(items.Content))
	for _, item := range items.Content {
		documents = append(documents, newDocument(d.file, item))
	}
	return documents, true
}

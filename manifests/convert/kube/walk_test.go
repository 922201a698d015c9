package kube_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/object"
)

// TestNothingIsLost deletes each leaf of the complete examples, one after another: the objects or the messages are then
// different.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/complete/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			documents := decodeAll(t, file)
			whole := load(t, documents)
			for _, diagnostic := range whole.Diagnostics {
				t.Errorf("the example is wrong: %s", diagnostic)
			}
			for i, document := range documents {
				for _, leaf := range leavesOf(document, nil) {
					if isSaid(whole, i, leaf) || isMeaningless(leaf) {
						continue
					}
					without := slices.Clone(documents)
					without[i] = remove(document, leaf)
					if same(whole, load(t, without)) {
						t.Errorf("document %d: %s is lost without a word", i+1, leaf)
					}
				}
			}
		})
	}
}

func decodeAll(t *testing.T, file string) []any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var documents []any
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var document any
		err := decoder.Decode(&document)
		if err == io.EOF {
			return documents
		}
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, document)
	}
}

// load loads each document as a file of its own, so that a diagnostic says whose it is.
func load(t *testing.T, documents []any) *manifests.Set {
	t.Helper()
	files := make([]manifests.File, 0, len(documents))
	for i, document := range documents {
		text, err := yaml.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, manifests.File{Path: nameOf(i), Text: text})
	}
	return manifests.Load(files, manifests.Options{})
}

func nameOf(document int) string { return fmt.Sprintf("%d.yaml", document) }

// path is the way to a leaf: names of fields and places in lists.
type path []any

// String returns spec.containers[0].image.
func (p path) String() string {
	var text strings.Builder
	for _, step := range p {
		switch step := step.(type) {
		case int:
			fmt.Fprintf(&text, "[%d]", step)
		case string:
			if text.Len() > 0 {
				text.WriteString(".")
			}
			text.WriteString(step)
		}
	}
	return text.String()
}

func leavesOf(value any, at path) []path {
	var leaves []path
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			leaves = append(leaves, leavesOf(member, append(slices.Clone(at), name))...)
		}
	case []any:
		for i, item := range value {
			leaves = append(leaves, leavesOf(item, append(slices.Clone(at), i))...)
		}
	default:
		return []path{at}
	}
	return leaves
}

// remove is the value without a leaf.
func remove(value any, leaf path) any {
	switch value := value.(type) {
	case map[string]any:
		copied, name := map[string]any{}, leaf[0].(string)
		for key, member := range value {
			if key != name {
				copied[key] = member
			} else if len(leaf) > 1 {
				copied[key] = remove(member, leaf[1:])
			}
		}
		return copied
	case []any:
		copied, i := slices.Clone(value), leaf[0].(int)
		if len(leaf) == 1 {
			return slices.Delete(copied, i, i+1)
		}
		copied[i] = remove(copied[i], leaf[1:])
		return copied
	default:
		return value
	}
}

// isSaid reports whether davit warns of the leaf, or of a field around it.
func isSaid(set *manifests.Set, document int, leaf path) bool {
	return slices.ContainsFunc(set.Warnings, func(warning object.Diagnostic) bool {
		rest, below := strings.CutPrefix(leaf.String(), warning.Path)
		return warning.File == nameOf(document) && warning.Path != "" && below && (rest == "" || strings.ContainsRune(".[", rune(rest[0])))
	})
}

// unmeant are the parts of a reference to a claim that say nothing, as docs/kubernetes.md says.
var unmeant = []string{"spec.claimRef.kind", "spec.claimRef.apiVersion", "spec.claimRef.uid", "spec.claimRef.resourceVersion", "spec.claimRef.fieldPath"}

// isMeaningless reports whether nothing follows from a leaf: a reference to a field has no other version, sets have no
// other way of updates, pods are reached by their names, and a ReplicationController selects its own by itself.
func isMeaningless(leaf path) bool {
	text := leaf.String()
	if slices.Contains(unmeant, text) || text == "spec.selector.controller" {
		return true
	}
	return text == "spec.serviceName" || text == "spec.updateStrategy.type" || strings.HasSuffix(text, "fieldRef.apiVersion")
}

// same compares what sets have and what is said of them, wherever that stands.
func same(a, b *manifests.Set) bool {
	if len(a.Objects) != len(b.Objects) || !slices.Equal(words(a), words(b)) {
		return false
	}
	for i := range a.Objects {
		if !reflect.DeepEqual(a.Objects[i].Object, b.Objects[i].Object) {
			return false
		}
	}
	return true
}

func words(set *manifests.Set) []string {
	var all []string
	for _, diagnostic := range set.All() {
		all = append(all, diagnostic.File+": "+diagnostic.Text())
	}
	return all
}

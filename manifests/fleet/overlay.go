package fleet

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/davit-project/davit/manifests/convert"
	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/manifests/suggest"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/manifests/yaml"
)

// identityOf is what makes a document of an upper layer a patch of one of a lower layer.
type identity struct{ apiVersion, kind, name string }

func identityOf(d *yaml.Document) identity {
	var id identity
	if version := yaml.ValueOf(d.Root, "apiVersion"); version != nil {
		id.apiVersion = version.Value
	}
	if kind := yaml.ValueOf(d.Root, "kind"); kind != nil {
		id.kind = kind.Value
	}
	if name := yaml.ValueOf(yaml.ValueOf(d.Root, "metadata"), "name"); name != nil {
		id.name = name.Value
	}
	return id
}

func (i identity) String() string { return i.kind + "/" + i.name }

// patchSchema is the type whose struct tags say how lists of a kind are merged; nil for a kind
// that davit does not know.
func patchSchema(id identity) any {
	if of, ok := convert.Type(id.apiVersion, id.kind); ok {
		return reflect.New(of).Interface()
	}
	return nil
}

// stack is documents with the layers above laid over them one by one.
type stack struct {
	documents []*yaml.Document
	first     map[identity]int // where a document of that identity is
	deleted   []LeftOut
}

// add lays a layer over what is there: a document that is there already is patched, another
// one is added. Within a layer nothing is merged.
func (s *stack) add(above layer, documents []*yaml.Document) {
	if above.rank == rankEverywhere {
		for _, d := range documents {
			s.append(d, identityOf(d))
		}
		return
	}
	seen := map[identity]*yaml.Document{}
	for _, d := range documents {
		id := identityOf(d)
		first := seen[id]
		seen[id] = d
		if first != nil && id.name != "" {
			d.Report(d.Root, "", fmt.Sprintf("%s appears twice in %s, also in %s", id, above, first.Position(first.Root)), "")
			s.append(d, id)
			continue
		}
		s.addOne(d, id)
	}
}

func (s *stack) addOne(d *yaml.Document, id identity) {
	lower, exists := s.first[id]
	directive := yaml.ValueOf(d.Root, "$patch")
	switch {
	case !exists && directive != nil:
		d.Report(directive, "$patch", fmt.Sprintf("there is no %s to patch", id), suggest.DidYouMean(id.name, s.names(id)))
		s.append(d, id)
	case !exists || id.name == "":
		s.append(d, id)
	case directive != nil && directive.Value == "delete" && len(d.Diagnostics) == 0:
		at := d.Position(d.Root)
		s.deleted = append(s.deleted, LeftOut{object.Object{Object: deleted{v1.Ref{Kind: id.kind, Name: id.name}}, Source: at}, "deleted by " + at.String()})
		s.documents = slices.Delete(s.documents, lower, lower+1)
		s.reindex()
	case namespaces(s.documents[lower], d):
		d.Report(d.Root, "metadata.namespace", fmt.Sprintf("%s is in another namespace in %s, and namespaces keep nothing apart here", id,
			s.documents[lower].Position(s.documents[lower].Root)), "give one of them another name")
		s.append(d, id)
	default:
		s.documents[lower] = patched(s.documents[lower], d)
	}
}

// namespaces reports whether two documents name different namespaces.
func namespaces(a, b *yaml.Document) bool {
	first, second := yaml.ValueOf(yaml.ValueOf(a.Root, "metadata"), "namespace"), yaml.ValueOf(yaml.ValueOf(b.Root, "metadata"), "namespace")
	return first != nil && second != nil && first.Value != second.Value
}

func (s *stack) append(d *yaml.Document, id identity) {
	if s.first == nil {
		s.first = map[identity]int{}
	}
	if _, exists := s.first[id]; !exists {
		s.first[id] = len(s.documents)
	}
	s.documents = append(s.documents, d)
}

func (s *stack) reindex() {
	documents := s.documents
	s.documents, s.first = nil, nil
	for _, d := range documents {
		s.append(d, identityOf(d))
	}
}

// names are what else there is of a kind.
func (s *stack) names(of identity) []string {
	var names []string
	for _, d := range s.documents {
		if id := identityOf(d); id.apiVersion == of.apiVersion && id.kind == of.kind {
			names = append(names, id.name)
		}
	}
	return names
}

// deleted stands for an object that an overlay took out.
type deleted struct{ ref v1.Ref }

// Ref implements [v1.Object].
func (d deleted) Ref() v1.Ref { return d.ref }

// Meta implements [v1.Object].
func (d deleted) Meta() v1.ObjectMeta { return v1.ObjectMeta{Name: d.ref.Name} }

// patched returns the document with a patch merged in as Kubernetes' strategic merge does.
// Every field keeps the place of the document that set it last; where it begins is where
// the patched document begins.
func patched(d *yaml.Document, patch *yaml.Document) *yaml.Document {
	merged := d.Fresh()
	merged.Diagnostics = append(merged.Diagnostics, patch.Diagnostics...)
	schema := patchSchema(identityOf(d))
	if schema == nil {
		// Decoding reports the kind; the patch alone could not.
		return merged
	}
	base, over := sideOf(d, merged), sideOf(patch, merged)
	meta, err := strategicpatch.NewPatchMetaFromStruct(schema)
	if err == nil {
		merged.Diagnostics = append(merged.Diagnostics, checkMergeKeys(d, meta)...)
		merged.Diagnostics = append(merged.Diagnostics, checkMergeKeys(patch, meta)...)
	}
	if len(merged.Diagnostics) > 0 {
		return merged
	}
	if err == nil {
		// The library writes into what it is given, so it gets values of its own.
		var result strategicpatch.JSONMap
		result, err = strategicpatch.StrategicMergeMapPatchUsingLookupPatchMeta(
			plainMap(d.Root), plainMap(patch.Root), meta)
		if err == nil {
			root := graftMap(merged, result, base, over, meta)
			root.Line, root.Column = d.Root.Line, d.Root.Column
			merged.Replace(root)
		}
	}
	if err != nil {
		merged.Diagnostics = append(merged.Diagnostics, object.Diagnostic{
			Position: patch.Position(patch.Root), Message: fmt.Sprintf("cannot be merged into %s: %v", d.Position(d.Root), err),
		})
	}
	return merged
}

// side is one of the two documents of a merge, at one place in it.
type side struct {
	from  *yaml.Document
	node  *yaml.Node // nil where the document has nothing
	value any        // the node as [plain] gives it
}

// sideOf checks the document for what merging would hide, and reports it to another.
func sideOf(d *yaml.Document, report *yaml.Document) side {
	check := d.Fresh()
	check.Diagnostics = nil
	checkKeys(check, check.Root, "")
	report.Diagnostics = append(report.Diagnostics, check.Diagnostics...)
	if d.Root.Kind != yaml.MappingNode {
		report.Diagnostics = append(report.Diagnostics, object.Diagnostic{Position: d.Position(d.Root), Message: errNoMapping.Error()})
	}
	return side{d, d.Root, plain(d.Root)}
}

var errNoMapping = errors.New("want a mapping")

func checkKeys(d *yaml.Document, node *yaml.Node, path string) {
	switch node.Kind {
	case yaml.MappingNode:
		d.EachEntry(node, path, func(key, value *yaml.Node) { checkKeys(d, value, object.Join(path, key.Value)) })
	case yaml.SequenceNode:
		for i, item := range node.Content {
			checkKeys(d, item, fmt.Sprintf("%s[%d]", path, i))
		}
	}
}

// checkMergeKeys reports elements of lists that lack what they would be merged by: the library
// would only print them.
func checkMergeKeys(d *yaml.Document, schema strategicpatch.LookupPatchMeta) object.Diagnostics {
	check := d.Fresh()
	check.Diagnostics = nil
	elementsHaveKeys(check, check.Root, "", schema, "")
	return check.Diagnostics
}

func elementsHaveKeys(d *yaml.Document, node *yaml.Node, path string, schema strategicpatch.LookupPatchMeta, mergeKey string) {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i].Value, node.Content[i+1]
			sub, mergeKey := schemaOf(schema, key, value.Kind)
			elementsHaveKeys(d, value, object.Join(path, key), sub, mergeKey)
		}
	case yaml.SequenceNode:
		for i, item := range node.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			directive := yaml.ValueOf(item, "$patch")
			if mergeKey != "" && yaml.ValueOf(item, mergeKey) == nil && (directive == nil || directive.Value == "delete") {
				d.Report(item, at, "has no "+mergeKey+", by which the list is merged", "")
			}
			elementsHaveKeys(d, item, at, schema, "")
		}
	}
}

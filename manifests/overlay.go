package manifests

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/davit-project/davit/manifests/kube"
	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// identity is what makes a document of an upper layer a patch of one of a lower layer.
type identity struct{ apiVersion, kind, name string }

func (d *document) identity() identity {
	var id identity
	if version := child(d.root, "apiVersion"); version != nil {
		id.apiVersion = version.Value
	}
	if kind := child(d.root, "kind"); kind != nil {
		id.kind = kind.Value
	}
	if name := child(child(d.root, "metadata"), "name"); name != nil {
		id.name = name.Value
	}
	return id
}

func (i identity) String() string { return i.kind + "/" + i.name }

// patchSchema is the type whose struct tags say how lists of a kind are merged; nil for a kind
// that davit does not know.
func patchSchema(id identity) any {
	if create, ok := kinds[id.kind]; ok && id.apiVersion == v1.APIVersion {
		return create()
	}
	if kubernetes, ok := kube.Type(id.apiVersion, id.kind); ok {
		return reflect.New(kubernetes).Interface()
	}
	return nil
}

// stack is documents with the layers above laid over them one by one.
type stack struct {
	documents []*document
	first     map[identity]int // where a document of that identity is
	deleted   []LeftOut
}

// add lays a layer over what is there: a document that is there already is patched, another
// one is added. Within a layer nothing is merged.
func (s *stack) add(above layer, documents []*document) {
	if above.rank == rankEverywhere {
		for _, d := range documents {
			s.append(d, d.identity())
		}
		return
	}
	seen := map[identity]*document{}
	for _, d := range documents {
		id := d.identity()
		first := seen[id]
		seen[id] = d
		if first != nil && id.name != "" {
			d.report(d.root, "", fmt.Sprintf("%s appears twice in %s, also in %s", id, above, first.position(first.root)), "")
			s.append(d, id)
			continue
		}
		s.addOne(d, id)
	}
}

func (s *stack) addOne(d *document, id identity) {
	lower, exists := s.first[id]
	directive := child(d.root, "$patch")
	switch {
	case !exists && directive != nil:
		d.report(directive, "$patch", fmt.Sprintf("there is no %s to patch", id), didYouMean(id.name, s.names(id)))
		s.append(d, id)
	case !exists || id.name == "":
		s.append(d, id)
	case directive != nil && directive.Value == "delete" && len(d.diagnostics) == 0:
		at := d.position(d.root)
		s.deleted = append(s.deleted, LeftOut{object.Object{Object: deleted{v1.Ref{Kind: id.kind, Name: id.name}}, Source: at}, "deleted by " + at.String()})
		s.documents = slices.Delete(s.documents, lower, lower+1)
		s.reindex()
	case namespaces(s.documents[lower], d):
		d.report(d.root, "metadata.namespace", fmt.Sprintf("%s is in another namespace in %s, and namespaces keep nothing apart here", id,
			s.documents[lower].position(s.documents[lower].root)), "give one of them another name")
		s.append(d, id)
	default:
		s.documents[lower] = s.documents[lower].patchedBy(d)
	}
}

// namespaces reports whether two documents name different namespaces.
func namespaces(a, b *document) bool {
	first, second := child(child(a.root, "metadata"), "namespace"), child(child(b.root, "metadata"), "namespace")
	return first != nil && second != nil && first.Value != second.Value
}

func (s *stack) append(d *document, id identity) {
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
		s.append(d, d.identity())
	}
}

// names are what else there is of a kind.
func (s *stack) names(of identity) []string {
	var names []string
	for _, d := range s.documents {
		if id := d.identity(); id.apiVersion == of.apiVersion && id.kind == of.kind {
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

// patchedBy returns the document with a patch merged in as Kubernetes' strategic merge does.
// Every field keeps the place of the document that set it last; where it begins is where
// the patched document begins.
func (d *document) patchedBy(patch *document) *document {
	merged := d.fresh()
	merged.diagnostics = append(merged.diagnostics, patch.diagnostics...)
	schema := patchSchema(d.identity())
	if schema == nil {
		// Decoding reports the kind; the patch alone could not.
		return merged
	}
	base, over := d.side(merged), patch.side(merged)
	meta, err := strategicpatch.NewPatchMetaFromStruct(schema)
	if err == nil {
		merged.diagnostics = append(merged.diagnostics, d.checkMergeKeys(meta)...)
		merged.diagnostics = append(merged.diagnostics, patch.checkMergeKeys(meta)...)
	}
	if len(merged.diagnostics) > 0 {
		return merged
	}
	if err == nil {
		// The library writes into what it is given, so it gets values of its own.
		var result strategicpatch.JSONMap
		result, err = strategicpatch.StrategicMergeMapPatchUsingLookupPatchMeta(
			plainMap(d.root), plainMap(patch.root), meta)
		if err == nil {
			merged.files = maps.Clone(d.files)
			merged.root = merged.graftMap(result, base, over, meta)
			merged.root.Line, merged.root.Column = d.root.Line, d.root.Column
			merged.nodes = map[string]*yaml.Node{"": merged.root}
		}
	}
	if err != nil {
		merged.diagnostics = append(merged.diagnostics, object.Diagnostic{
			Position: patch.position(patch.root), Message: fmt.Sprintf("cannot be merged into %s: %v", d.position(d.root), err),
		})
	}
	return merged
}

// fresh returns the document as it was parsed.
func (d *document) fresh() *document {
	return &document{
		file: d.file, root: d.root, files: maps.Clone(d.files),
		nodes: map[string]*yaml.Node{"": d.root}, diagnostics: slices.Clone(d.diagnostics),
	}
}

// side is one of the two documents of a merge, at one place in it.
type side struct {
	from  *document
	node  *yaml.Node // nil where the document has nothing
	value any        // the node as [plain] gives it
}

// side checks the document for what merging would hide, and reports it to another.
func (d *document) side(report *document) side {
	check := d.fresh()
	check.diagnostics = nil
	check.checkKeys(check.root, "")
	report.diagnostics = append(report.diagnostics, check.diagnostics...)
	if d.root.Kind != yaml.MappingNode {
		report.diagnostics = append(report.diagnostics, object.Diagnostic{Position: d.position(d.root), Message: errNoMapping.Error()})
	}
	return side{d, d.root, plain(d.root)}
}

var errNoMapping = errors.New("want a mapping")

func (d *document) checkKeys(node *yaml.Node, path string) {
	switch node.Kind {
	case yaml.MappingNode:
		d.eachEntry(node, path, func(key, value *yaml.Node) { d.checkKeys(value, join(path, key.Value)) })
	case yaml.SequenceNode:
		for i, item := range node.Content {
			d.checkKeys(item, fmt.Sprintf("%s[%d]", path, i))
		}
	}
}

// checkMergeKeys reports elements of lists that lack what they would be merged by: the library
// would only print them.
func (d *document) checkMergeKeys(schema strategicpatch.LookupPatchMeta) object.Diagnostics {
	check := d.fresh()
	check.diagnostics = nil
	check.elementsHaveKeys(check.root, "", schema, "")
	return check.diagnostics
}

func (d *document) elementsHaveKeys(node *yaml.Node, path string, schema strategicpatch.LookupPatchMeta, mergeKey string) {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i].Value, node.Content[i+1]
			sub, mergeKey := schemaOf(schema, key, value.Kind)
			d.elementsHaveKeys(value, join(path, key), sub, mergeKey)
		}
	case yaml.SequenceNode:
		for i, item := range node.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			directive := child(item, "$patch")
			if mergeKey != "" && child(item, mergeKey) == nil && (directive == nil || directive.Value == "delete") {
				d.report(item, at, "has no "+mergeKey+", by which the list is merged", "")
			}
			d.elementsHaveKeys(item, at, schema, "")
		}
	}
}

package convert

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/davit-project/davit/manifests/convert/kube"
	"github.com/davit-project/davit/manifests/suggest"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/manifests/yaml"
)

// Type is the type whose tags describe documents of an apiVersion and kind; ok is false if davit does not know them.
func Type(apiVersion, kind string) (of reflect.Type, ok bool) {
	if create, own := v1.Kinds[kind]; own && apiVersion == v1.APIVersion {
		return reflect.TypeOf(create()).Elem(), true
	}
	return kube.Type(apiVersion, kind)
}

// decode makes the document's object, and the documents of further objects that it describes.
func (d *Document) decode(refuseUnsupported bool) (others []*Document) {
	if len(d.Diagnostics) > 0 {
		return nil
	}
	version, kind := d.head()
	if kind == nil || d.clusterOnly(version, kind, refuseUnsupported) {
		return nil
	}
	if of, ok := kube.Type(version.Value, kind.Value); ok {
		return d.decodeKubernetes(version.Value, kind.Value, of)
	}
	object := d.newObject(version, kind)
	if object == nil {
		return nil
	}
	if d.Decode(object); len(d.Diagnostics) == 0 {
		d.Object = object
	}
	return nil
}

// head is the document's apiVersion and kind; both are nil when one is missing.
func (d *Document) head() (version, kind *yaml.Node) {
	if d.Root.Kind != yaml.MappingNode {
		d.Report(d.Root, "", "want a document with apiVersion, kind, metadata and spec, got "+yaml.Describe(d.Root), "")
		return nil, nil
	}
	version, kind = d.Scalar("apiVersion"), d.Scalar("kind")
	switch {
	case version == nil && d.Entry("services") != nil:
		d.Report(d.Root, "", "a Compose file is no manifest", "write a Container for each service, see docs/manifests.md")
	case d.mistypedHead("apiVersion"), d.mistypedHead("kind"):
	case version == nil:
		d.Report(d.Root, "apiVersion", "missing", "davit's own kinds have apiVersion: "+v1.APIVersion)
	case kind == nil:
		d.Report(d.Root, "kind", "missing", "one of "+strings.Join(slices.Sorted(maps.Keys(v1.Kinds)), ", "))
	default:
		return version, kind
	}
	return nil, nil
}

// newObject returns an empty object of one of davit's kinds.
func (d *Document) newObject(version, kind *yaml.Node) v1.Object {
	if version.Value != v1.APIVersion {
		d.unknownAPI(version, kind)
		return nil
	}
	create, ok := v1.Kinds[kind.Value]
	if !ok {
		d.Report(kind, "kind", fmt.Sprintf("unknown kind %q", kind.Value), suggest.DidYouMean(kind.Value, slices.Sorted(maps.Keys(v1.Kinds))))
		return nil
	}
	return create()
}

// mistypedHead reports an apiVersion or kind that is not text.
func (d *Document) mistypedHead(key string) bool {
	node := d.Entry(key)
	if node == nil || node.Kind == yaml.ScalarNode && node.Tag != "!!null" {
		return false
	}
	d.Mistyped(node, key, "a string", "")
	return true
}

// Package convert makes objects of documents: davit's own kinds directly, other formats through the packages below this folder, each of
// which knows one format and neither documents nor the loader.
//
// It must never know files, nodes or policies.
package convert

import (
	"github.com/davit-project/davit/manifests/check"
	"github.com/davit-project/davit/manifests/convert/kube"
	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/manifests/yaml"
)

// Document is a document on its way to an object.
type Document struct {
	*yaml.Document
	check.Subject

	// Of a document of Kubernetes': that it is one, where its object's fields are in it, and
	// what it is beside the object.
	kubernetes bool
	from, to   string
	service    *kube.Service
	persistent *kube.PersistentVolume
	claim      *kube.Claim
	about      v1.ObjectMeta // of documents without an object
}

func newDocument(parsed *yaml.Document) *Document {
	d := &Document{Document: parsed}
	d.Where = func(field string) object.Position { return d.Position(d.NodeAt(field)) }
	return d
}

// Documents makes the objects of documents. One of Kubernetes' may become several; those that are no objects are returned too.
// refuseUnsupported refuses the kinds that only a cluster has; otherwise there is a warning.
func Documents(parsed []*yaml.Document, refuseUnsupported bool) []*Document {
	var documents []*Document
	for _, p := range parsed {
		d := newDocument(p)
		documents = append(append(documents, d), d.decode(refuseUnsupported)...)
	}
	return documents
}

// Placed is the document's object with the place where the document begins.
func (d *Document) Placed() object.Object {
	return object.Object{Object: d.Object, Source: d.Position(d.Root)}
}

// Settle reports the findings of checks at the fields of the document.
func (d *Document) Settle() {
	for _, found := range d.Found {
		found.Path = d.sourcePath(found.Path)
		d.Add(found)
	}
	d.Found, d.Faulty = nil, len(d.Diagnostics) > 0
}

// Blamed are the document's errors, with the name of its object.
func (d *Document) Blamed() object.Diagnostics {
	ref, ok := d.ref()
	if !ok {
		return d.Diagnostics
	}
	for i := range d.Diagnostics {
		d.Diagnostics[i].Object = ref.String()
	}
	return d.Diagnostics
}

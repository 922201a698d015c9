package manifests

import (
	"cmp"

	"github.com/davit-project/davit/manifests/kube"
	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// brokenRefs are the documents that are there and have an error. What names one of them is
// held back without an error of its own: there is one mistake, and it has been told.
func brokenRefs(documents []*document) map[v1.Ref]bool {
	broken := map[v1.Ref]bool{}
	for _, d := range documents {
		if ref, ok := d.ref(); ok && len(d.diagnostics) > 0 {
			broken[ref] = true
		}
	}
	return broken
}

// ref is the object that the document describes, as far as that can be read though it has an error.
func (d *document) ref() (v1.Ref, bool) {
	if d.object != nil {
		return d.object.Ref(), true
	}
	metadata := d.entry("metadata")
	if metadata == nil {
		return v1.Ref{}, false
	}
	version, kind, name := d.scalar("apiVersion"), d.scalar("kind"), entryOf(metadata, "name")
	if version == nil || kind == nil || name == nil {
		return v1.Ref{}, false
	}
	return v1.Ref{Kind: cmp.Or(kube.OwnKind(version.Value, kind.Value), kind.Value), Name: name.Value}, true
}

// blame is what is wrong with the document, by the name of its object.
func (d *document) blame() object.Diagnostics {
	ref, ok := d.ref()
	if !ok {
		return d.diagnostics
	}
	for i := range d.diagnostics {
		d.diagnostics[i].Object = ref.String()
	}
	return d.diagnostics
}

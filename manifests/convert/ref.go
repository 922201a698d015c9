package convert

import (
	"cmp"

	"github.com/davit-project/davit/manifests/convert/kube"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/manifests/yaml"
)

// Broken are the documents that exist and have an error. Objects that name one of them are held back without an error of their
// own: there is one mistake, and it has been reported.
func Broken(documents []*Document) map[v1.Ref]bool {
	broken := map[v1.Ref]bool{}
	for _, d := range documents {
		if ref, ok := d.ref(); ok && len(d.Diagnostics) > 0 {
			broken[ref] = true
		}
	}
	return broken
}

// ref is the object that the document describes, as far as that can be read though it has an error.
func (d *Document) ref() (v1.Ref, bool) {
	if d.Object != nil {
		return d.Object.Ref(), true
	}
	metadata := d.Entry("metadata")
	if metadata == nil {
		return v1.Ref{}, false
	}
	version, kind, name := d.Scalar("apiVersion"), d.Scalar("kind"), yaml.ValueOf(metadata, "name")
	if version == nil || kind == nil || name == nil {
		return v1.Ref{}, false
	}
	return v1.Ref{Kind: cmp.Or(kube.OwnKind(version.Value, kind.Value), kind.Value), Name: name.Value}, true
}

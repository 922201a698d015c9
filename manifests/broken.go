package manifests

import v1 "github.com/davit-project/davit/manifests/v1"

// brokenRefs are the documents that are there and have an error. What names one of them is
// held back without an error of its own: there is one mistake, and it has been told.
func brokenRefs(documents []*document) map[v1.Ref]bool {
	broken := map[v1.Ref]bool{}
	for _, d := range documents {
		metadata := d.entry("metadata")
		if len(d.diagnostics) == 0 || metadata == nil {
			continue
		}
		if kind, name := d.scalar("kind"), entryOf(metadata, "name"); kind != nil && name != nil {
			broken[v1.Ref{Kind: kind.Value, Name: name.Value}] = true
		}
	}
	return broken
}

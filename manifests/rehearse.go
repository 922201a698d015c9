package manifests

import (
	"slices"

	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// rehearse reports the objects that no node can run. If several objects of one name are for different nodes, one of them takes
// part at a time, and conflicts between objects are not reported: no node may get both.
func rehearse(documents []*document, check func([]object.Object) []object.Refusal) {
	if check == nil {
		return
	}
	variants, most, apart := map[v1.Ref][]*document{}, 0, false
	for _, d := range documents {
		if len(d.diagnostics) > 0 {
			continue
		}
		ref := d.object.Ref()
		variants[ref] = append(variants[ref], d)
		most, apart = max(most, len(variants[ref])), apart || d.elsewhere
	}
	for round := range most {
		var objects []object.Object
		picked := map[v1.Ref]*document{}
		for _, d := range documents {
			same := variants[d.object.Ref()]
			if len(same) > 0 && same[min(round, len(same)-1)] == d {
				picked[d.object.Ref()] = d
				objects = append(objects, object.Object{Object: d.object, Source: d.position(d.root)})
			}
		}
		slices.SortStableFunc(objects, object.Object.Compare)
		for _, refusal := range check(objects) {
			// What needs a document with an error has been held back because of that.
			if d := picked[refusal.Ref]; d != nil && d.needs == (v1.Ref{}) && !(refusal.Conflict && apart) {
				d.errorf(refusal.Field, "%v", refusal.Err)
			}
		}
	}
}

package manifests

import (
	"slices"

	"github.com/davit-project/davit/manifests/convert"
	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// rehearse reports the objects that no node can run. If several objects of one name are for different nodes, one of them takes
// part at a time, and conflicts between objects are not reported: no node may get both.
func rehearse(documents []*convert.Document, check func([]object.Object) []object.Refusal) {
	if check == nil {
		return
	}
	variants, most, apart := map[v1.Ref][]*convert.Document{}, 0, false
	for _, d := range documents {
		if len(d.Diagnostics) > 0 {
			continue
		}
		ref := d.Object.Ref()
		variants[ref] = append(variants[ref], d)
		most, apart = max(most, len(variants[ref])), apart || d.Elsewhere
	}
	for round := range most {
		var objects []object.Object
		picked := map[v1.Ref]*convert.Document{}
		for _, d := range documents {
			same := variants[d.Object.Ref()]
			if len(same) > 0 && same[min(round, len(same)-1)] == d {
				picked[d.Object.Ref()] = d
				objects = append(objects, d.Placed())
			}
		}
		slices.SortStableFunc(objects, object.Object.Compare)
		for _, refusal := range check(objects) {
			// What needs a document with an error has been held back because of that.
			if d := picked[refusal.Ref]; d != nil && d.Needs == (v1.Ref{}) && !(refusal.Conflict && apart) {
				d.Refuse(refusal.Field, "", refusal.Err.Error())
			}
		}
	}
}

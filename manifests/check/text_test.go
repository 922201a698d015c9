package check

import (
	"reflect"
	"slices"
	"testing"

	v1 "github.com/davit-project/davit/manifests/v1"
)

func TestTheNamePatternIsTheOneChecked(t *testing.T) {
	t.Parallel()
	fields := v1.Fields(reflect.TypeFor[v1.ObjectMeta]())
	name := slices.IndexFunc(fields, func(field v1.Field) bool { return field.Name == "name" })
	if pattern := fields[name].Pattern; pattern != label.String() {
		t.Errorf("the tag says %s, the check %s", pattern, label)
	}
}

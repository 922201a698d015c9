package v1

import (
	"reflect"
	"slices"
	"strings"
	"sync"
)

// Field is one field of a type, as manifests know it.
type Field struct {
	// Name is the field's in manifests, Go its name in this package.
	Name, Go string
	// Index is where it is in the type that was listed, as [reflect.Value.FieldByIndex] takes it.
	Index []int
	// Owner is the struct that declares the field: an inlined one, or the type itself.
	Owner reflect.Type
	// Type is the field's.
	Type reflect.Type
	// Required means that a manifest must have the field: its json tag has neither omitempty
	// nor omitzero.
	Required bool
	// Enum are the values it can have, by the tag enum:"A,B"; none means any. The empty
	// string is among them only where the tag says so.
	Enum []string
	// Pattern is a regular expression that its value matches, by the tag of that name.
	Pattern string
}

// known are the fields of structs that were listed: a document has hundreds of them, and there are few types.
var known sync.Map // of []Field by reflect.Type

// Fields lists a struct's fields in order, those of inlined structs in their place. The list is not the caller's to
// change.
func Fields(of reflect.Type) []Field {
	if fields, ok := known.Load(of); ok {
		return fields.([]Field)
	}
	fields := listFields(of)
	known.Store(of, fields)
	return fields
}

func listFields(of reflect.Type) []Field {
	var fields []Field
	for field := range of.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" && field.Anonymous {
			for _, inlined := range listFields(field.Type) {
				inlined.Index = slices.Concat(field.Index, inlined.Index)
				fields = append(fields, inlined)
			}
			continue
		}
		fields = append(fields, Field{
			Name: name, Go: field.Name, Index: field.Index, Owner: of, Type: field.Type,
			Required: !strings.Contains(options, "omit"),
			Enum:     enum(field.Tag),
			Pattern:  field.Tag.Get("pattern"),
		})
	}
	return fields
}

func enum(tag reflect.StructTag) []string {
	values, ok := tag.Lookup("enum")
	if !ok {
		return nil
	}
	return strings.Split(values, ",")
}

// EnumText lists values for people; the empty one is written "".
func EnumText(values []string) string {
	words := make([]string, 0, len(values))
	for _, value := range values {
		if value == "" {
			value = `""`
		}
		words = append(words, value)
	}
	return strings.Join(words, ", ")
}

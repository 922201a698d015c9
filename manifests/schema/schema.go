// Package schema describes the kinds of davit/v1 as data: which fields a manifest can have,
// what they mean, which values they take.
//
// All of it is read from the types of manifests/v1, their tags and their doc comments, so
// there is nothing that could differ from what is decoded. The package must never know
// objects, files or a node.
package schema

import (
	"maps"
	"reflect"
	"slices"
	"sync"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// Form is what a value looks like in YAML.
type Form string

// The forms.
const (
	Object   Form = "Object" // a mapping with the fields of Type
	Map      Form = "map"    // a mapping of any keys to values of Item
	List     Form = "list"   // a list of Item
	String   Form = "string"
	Integer  Form = "integer"
	Boolean  Form = "boolean"
	Quantity Form = "quantity"  // a number, or one with a suffix as text
	Port     Form = "port"      // a number, or text that stands for one
	FileMode Form = "file mode" // octal digits, or a decimal number
	Base64   Form = "base64"
	Values   Form = "values" // of a systemd setting
	Any      Form = "any"
)

// Type is a type of manifests/v1.
type Type struct {
	// Name is the Go type's; empty for what has no name of its own there.
	Name string
	// Doc says what a value is; empty where there is no doc comment.
	Doc string
	// Form is what a value looks like.
	Form Form
	// Item is the type of a list's or map's values, nil otherwise.
	Item *Type
	// Fields are an object's, in the order of the declaration.
	Fields []Field
}

// Field is one field of an object.
type Field struct {
	// Name is the field's.
	Name string
	// Doc is its doc comment, in which the field is called by Name.
	Doc string
	// Type is its type. Types are shared between fields, not copied.
	Type *Type
	// Required means that the object must have it.
	Required bool
	// Enum are its values, where they are a set.
	Enum []string
	// Pattern is a regular expression its value must match, where there is one.
	Pattern string
}

// String names the type for people: "string", "[]Object", "map[string]quantity".
func (t *Type) String() string {
	switch t.Form {
	case List:
		return "[]" + t.Item.String()
	case Map:
		return "map[string]" + t.Item.String()
	default:
		return string(t.Form)
	}
}

// Object returns the object type that a value has, or the values of its lists and maps
// have; nil when there is none.
func (t *Type) Object() *Type {
	for t.Item != nil {
		t = t.Item
	}
	if t.Form != Object {
		return nil
	}
	return t
}

// Field finds a field by name.
func (t *Type) Field(name string) (Field, bool) {
	i := slices.IndexFunc(t.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{}, false
	}
	return t.Fields[i], true
}

// Kinds are all kinds of davit/v1, sorted by name. They are read once and shared: callers
// must not change them.
var Kinds = sync.OnceValue(func() []*Type {
	r := reader{comments: readComments(v1.Sources), types: map[reflect.Type]*Type{}}
	kinds := make([]*Type, 0, len(v1.Kinds))
	for _, name := range slices.Sorted(maps.Keys(v1.Kinds)) {
		kinds = append(kinds, r.kind(name))
	}
	return kinds
})

package schema

import (
	"encoding/json"
	"reflect"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// reader turns Go types into types of this package, each once.
type reader struct {
	comments comments
	types    map[reflect.Type]*Type
}

// kind is a document's type, whose first two fields have one value only.
func (r *reader) kind(name string) *Type {
	kind := r.read(reflect.TypeOf(v1.Kinds[name]()).Elem())
	for i := range kind.Fields {
		switch field := &kind.Fields[i]; field.Name {
		case "apiVersion":
			field.Enum = []string{v1.APIVersion}
		case "kind":
			field.Enum, field.Doc = []string{name}, "kind is "+name+"."
		}
	}
	return kind
}

// forms are the types whose YAML is not what their Go type would suggest.
var forms = map[reflect.Type]Form{
	reflect.TypeFor[v1.Quantity]():      Quantity,
	reflect.TypeFor[v1.PortRef]():       Port,
	reflect.TypeFor[v1.ListenAddress](): Port,
	reflect.TypeFor[v1.FileMode]():      FileMode,
	reflect.TypeFor[v1.Values]():        Values,
	reflect.TypeFor[[]byte]():           Base64,
	reflect.TypeFor[v1.SecretBytes]():   Base64,
	reflect.TypeFor[json.RawMessage]():  Any,
}

func (r *reader) read(of reflect.Type) *Type {
	if of.Kind() == reflect.Pointer {
		return r.read(of.Elem())
	}
	if known, ok := r.types[of]; ok {
		return known
	}
	t := &Type{Doc: r.comments.ofType(of)}
	r.types[of] = t
	if of.PkgPath() == reflect.TypeFor[v1.Ref]().PkgPath() {
		t.Name = of.Name()
	}
	if form, ok := forms[of]; ok {
		t.Form = form
		return t
	}
	switch of.Kind() {
	case reflect.Struct:
		t.Form, t.Fields = Object, r.fields(of)
	case reflect.Map:
		t.Form, t.Item = Map, r.read(of.Elem())
	case reflect.Slice:
		t.Form, t.Item = List, r.read(of.Elem())
	case reflect.String:
		t.Form = String
	case reflect.Bool:
		t.Form = Boolean
	default:
		t.Form = Integer
	}
	return t
}

func (r *reader) fields(of reflect.Type) []Field {
	var fields []Field
	for _, field := range v1.Fields(of) {
		fields = append(fields, Field{
			Name: field.Name, Doc: r.comments.ofField(field), Type: r.read(field.Type),
			Required: field.Required, Enum: field.Enum, Pattern: field.Pattern,
		})
	}
	return fields
}

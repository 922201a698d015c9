package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// UnknownError is a path that leads nowhere.
type UnknownError struct {
	// Under is the path as far as it is known, empty when the kind is not.
	Under string
	// Name is what comes next and is unknown.
	Name string
	// Names are what could have come next; empty when nothing could.
	Names []string
}

func (e *UnknownError) Error() string {
	switch {
	case e.Under == "":
		return fmt.Sprintf("unknown kind %q: want one of %s", e.Name, strings.Join(e.Names, ", "))
	case len(e.Names) == 0:
		return fmt.Sprintf("%s has no fields: leave %q out", e.Under, e.Name)
	default:
		return fmt.Sprintf("%s has no field %q", e.Under, e.Name)
	}
}

// index is the place in a list, which a path copied from an error has.
var index = regexp.MustCompile(`\[\d*\]`)

// Find follows a path such as container.spec.ports[0].hostPort; the kind may be written in
// any case. The field's name is the path as it should be written. Of a kind alone it is the
// document as a whole.
func Find(path string) (kind *Type, field Field, err error) {
	kindName, names, deeper := strings.Cut(index.ReplaceAllString(path, ""), ".")
	i := slices.IndexFunc(Kinds(), func(kind *Type) bool { return strings.EqualFold(kind.Name, kindName) })
	if i < 0 {
		return nil, Field{}, &UnknownError{Name: kindName, Names: kindNames()}
	}
	kind = Kinds()[i]
	field = Field{Name: kind.Name, Doc: kind.Doc, Type: kind}
	if !deeper {
		return kind, field, nil
	}
	for name := range strings.SplitSeq(names, ".") {
		next, err := field.child(name)
		if err != nil {
			return nil, Field{}, err
		}
		next.Name = field.Name + "." + next.Name
		field = next
	}
	return kind, field, nil
}

func kindNames() []string {
	var names []string
	for _, kind := range Kinds() {
		names = append(names, kind.Name)
	}
	return names
}

// child is what a name means below a field.
func (f Field) child(name string) (Field, error) {
	of := f.Type
	for of.Form == List {
		of = of.Item
	}
	if of.Form == Map {
		return Field{Name: name, Doc: of.Item.Doc, Type: of.Item}, nil
	}
	if next, ok := of.Field(name); ok {
		return next, nil
	}
	unknown := &UnknownError{Under: f.Name, Name: name}
	for _, field := range of.Fields {
		unknown.Names = append(unknown.Names, field.Name)
	}
	return Field{}, unknown
}

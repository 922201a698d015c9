// Package object holds the values that the loader of manifests hands to the rest of davit: objects with the place of
// their documents, and diagnostics. It knows neither YAML nor a node.
package object

import (
	"cmp"
	"fmt"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// Object is one valid document.
type Object struct {
	v1.Object
	// Source is where the document begins.
	Source Position
}

// Compare sorts objects by kind, name and place.
func (o Object) Compare(other Object) int {
	a, b := o.Ref(), other.Ref()
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), o.Source.Compare(other.Source))
}

// Position is a place in a file; lines and columns count from 1.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// String returns "web.yaml:12:7".
func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Compare sorts places by file, line and column.
func (p Position) Compare(other Position) int {
	return cmp.Or(cmp.Compare(p.File, other.File), cmp.Compare(p.Line, other.Line), cmp.Compare(p.Column, other.Column))
}

// Refusal says why no node can run an object that is valid by itself.
type Refusal struct {
	Ref v1.Ref
	// Field is the path in the object, or empty for all of it.
	Field string
	Err   error
	// Conflict is set where the reason is another object that cannot be on the same node.
	Conflict bool
}

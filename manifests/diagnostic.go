package manifests

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// Position is a place in a file; lines and columns count from 1.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// String returns "web.yaml:12:7".
func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

func (p Position) compare(other Position) int {
	return cmp.Or(cmp.Compare(p.File, other.File), cmp.Compare(p.Line, other.Line), cmp.Compare(p.Column, other.Column))
}

// Diagnostic is one thing that is wrong.
type Diagnostic struct {
	Position
	// Path is the field's path in its document, "spec.ports[0].hostPort"; empty for the
	// document as a whole.
	Path string `json:"path,omitempty"`
	// Message says what is wrong.
	Message string `json:"message"`
	// Hint says what to do, where that is known.
	Hint string `json:"hint,omitempty"`
}

// String returns `web.yaml:12:7: spec.imagee: unknown field (did you mean "image"?)`.
func (d Diagnostic) String() string {
	var text strings.Builder
	text.WriteString(d.Position.String() + ": ")
	if d.Path != "" {
		text.WriteString(d.Path + ": ")
	}
	text.WriteString(d.Message)
	if d.Hint != "" {
		text.WriteString(" (" + d.Hint + ")")
	}
	return text.String()
}

// Diagnostics are several.
type Diagnostics []Diagnostic

// Err returns the diagnostics as one error, a line each; nil when there are none.
func (d Diagnostics) Err() error {
	errs := make([]error, 0, len(d))
	for _, diagnostic := range d {
		errs = append(errs, errors.New(diagnostic.String()))
	}
	return errors.Join(errs...)
}

func compareRefs(a, b v1.Ref) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
}

// Package check says what is wrong with davit's objects beyond what their types say: each object by itself, and objects together.
//
// It takes objects and returns diagnostics. It must never know documents, their formats, or a node.
package check

import (
	"fmt"
	"strings"

	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// Subject is an object that is checked, and what is wrong with it.
type Subject struct {
	// Object is checked; nil for a file that is no object, such as a node's policy.
	Object v1.Object
	// Where returns the place of a field, for messages about other objects. The path of the object as a whole is empty.
	Where func(field string) object.Position
	// Elsewhere means that only some nodes get the object, and which is not known.
	Elsewhere bool
	// Faulty means that its document has an error.
	Faulty bool
	// Found are the errors and warnings, with paths in the object and without positions. The loader reports them and takes them out.
	Found object.Diagnostics
	// Needs is an object with an error that this one needs; the zero value if there is none.
	Needs v1.Ref
}

// Refuse adds an error at a field, with the next step.
func (s *Subject) Refuse(field, hint, message string) {
	s.Found = append(s.Found, object.Diagnostic{Path: field, Message: message, Hint: hint})
}

// errorf reports an error at a field.
func (s *Subject) errorf(field, format string, args ...any) {
	s.errorHint(field, "", format, args...)
}

// errorHint reports an error at a field, with the next step.
func (s *Subject) errorHint(field, hint, format string, args ...any) {
	s.Refuse(field, hint, fmt.Sprintf(format, args...))
}

// warn reports what does not keep the object from running.
func (s *Subject) warn(field, message string) {
	s.Found = append(s.Found, object.Diagnostic{Path: field, Message: message, Severity: object.SeverityWarning})
}

// choice is one of several fields, and whether it is set.
type choice struct {
	field string
	set   bool
}

// exactlyOne checks that one of the choices below a field is set.
func exactlyOne(s *Subject, at string, choices ...choice) {
	var names, set []string
	for _, c := range choices {
		names = append(names, c.field)
		if c.set {
			set = append(set, c.field)
		}
	}
	switch {
	case len(set) == 0:
		s.errorf(at, "want one of %s", strings.Join(names, ", "))
	case len(set) > 1:
		s.errorf(object.Join(at, set[1]), "there is %s already: want one of the two", set[0])
	}
}

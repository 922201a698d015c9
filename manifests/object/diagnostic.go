package object

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

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
	// Object is the one that its document describes, "Container/web"; empty where that cannot be read.
	Object string `json:"object,omitempty"`
	// Denied is set when the node's policy refuses what is there.
	Denied bool `json:"denied,omitempty"`
	// Severity is error, or warning for what can be done without.
	Severity Severity `json:"severity"`
	// Confidential means that the lines it points at belong to a Secret.
	Confidential bool `json:"-"`
}

// Severity says how bad a diagnostic is. The zero value is an error.
type Severity string

// SeverityWarning is a word about something that does not keep the object from running.
const SeverityWarning Severity = "warning"

// MarshalJSON writes error for the zero value.
func (s Severity) MarshalJSON() ([]byte, error) {
	return json.Marshal(cmp.Or(string(s), "error"))
}

// String returns `web.yaml:12:7: spec.imagee: unknown field (did you mean "image"?)`.
func (d Diagnostic) String() string { return Printable(d.Position.String()) + ": " + d.Text() }

// Text is the diagnostic without its place.
func (d Diagnostic) Text() string {
	text := d.Message
	if d.Path != "" {
		text = d.Path + ": " + text
	}
	if d.Hint != "" {
		text += " (" + d.Hint + ")"
	}
	if d.Severity == SeverityWarning {
		text = "warning: " + text
	}
	return Printable(text)
}

// Printable escapes what a terminal would obey or hide: control characters, and those that
// change the direction of text. Manifests come from anywhere.
func Printable(text string) string {
	var printable strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&printable, `\x%02x`, text[i])
		case strconv.IsPrint(r):
			printable.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			printable.WriteString(quoted[1 : len(quoted)-1])
		}
		i += size
	}
	return printable.String()
}

// Diagnostics are several.
type Diagnostics []Diagnostic

// Sorted returns the diagnostics by place, each once.
func (d Diagnostics) Sorted() Diagnostics {
	said := map[Diagnostic]bool{}
	once := slices.DeleteFunc(d, func(d Diagnostic) bool {
		again := said[d]
		said[d] = true
		return again
	})
	slices.SortStableFunc(once, func(a, b Diagnostic) int { return a.Position.Compare(b.Position) })
	return once
}

// Err returns the diagnostics as one error, a line each; nil when there are none.
func (d Diagnostics) Err() error {
	errs := make([]error, 0, len(d))
	for _, diagnostic := range d {
		errs = append(errs, errors.New(diagnostic.String()))
	}
	return errors.Join(errs...)
}

// Join returns the path of a field below another one; the path of the document as a whole is empty.
func Join(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}

// Shorten cuts a text to the length that a message shows of it.
func Shorten(text string) string {
	const most = 60
	if characters := []rune(text); len(characters) > most {
		return string(characters[:most]) + "…"
	}
	return text
}

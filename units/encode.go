package units

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/davit-project/davit/units/names"
)

// kind is how systemd reads the value of a setting, and so how it must be written.
type kind int

const (
	// literal values are read as they stand: numbers, constants, SourcePath=.
	literal kind = iota
	// text is one string in which % introduces a specifier: Description=.
	text
	// word is one word of a list in which % introduces a specifier and quotes and backslashes have the meaning that
	// they have in C: RequiresMountsFor=, LogExtraFields=.
	word
	// argument is a word of a command line, from a set of characters that need no quotes:
	// ExecStart= also gives meaning to $ and ; (systemd.service(5)).
	argument
	// unitName is the name of a unit: After=, Requires=.
	unitName
	// raw values were written for systemd by a manifest's author, specifiers included.
	raw
)

// maxValue is systemd's bound on a line (LONG_LINE_MAX), less room for the name.
const maxValue = 1<<20 - 256

var plainArgument = regexp.MustCompile(`^[A-Za-z0-9/-][A-Za-z0-9:_./@-]*$`)

// wordCharacters escapes the characters that have a meaning between quotes (systemd.syntax(7)).
var wordCharacters = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// encode is the one way into a unit file. It returns the value as systemd must read it,
// or an error: systemd ends a line at LF, CR and NUL, joins lines at a trailing
// backslash and drops an assignment that is not UTF-8, so none of these can be escaped,
// only refused.
func encode(value string, kind kind) (string, error) {
	if err := encodable(value); err != nil {
		return "", err
	}
	switch kind {
	case text:
		return doublePercent(value), nil
	case word:
		return `"` + wordCharacters.Replace(doublePercent(value)) + `"`, nil
	case argument:
		if !plainArgument.MatchString(value) {
			return "", fmt.Errorf("%q: want only letters, digits and :_./@-", value)
		}
	case unitName:
		if !names.Valid(value) {
			return "", fmt.Errorf("%q is not the name of a davit unit", value)
		}
	}
	return value, nil
}

func encodable(value string) error {
	switch {
	case !utf8.ValidString(value):
		return fmt.Errorf("%q is not UTF-8", value)
	case len(value) > maxValue:
		return fmt.Errorf("%d bytes are more than a line of a unit file takes (%d)", len(value), maxValue)
	case strings.HasSuffix(value, `\`):
		return fmt.Errorf("%q ends in a backslash, which would join it with the next line", value)
	case strings.TrimSpace(value) != value:
		return fmt.Errorf("%q begins or ends with white space, which systemd would drop", value)
	}
	for _, r := range value {
		if ' ' <= r && r <= '~' {
			continue // nearly all are
		}
		// C1 controls and changes of direction do nothing to systemd, but to the terminals that it prints descriptions to.
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return fmt.Errorf("%q has the control character %U", value, r)
		}
		// systemd takes text with them for no UTF-8 (unichar_is_valid, src/basic/utf8.c).
		if unicode.Is(unicode.Noncharacter_Code_Point, r) {
			return fmt.Errorf("%q has %U, which is no character", value, r)
		}
	}
	return nil
}

func doublePercent(value string) string { return strings.ReplaceAll(value, "%", "%%") }

package yaml

import (
	"bytes"
	"regexp"
	"strconv"
	"unicode/utf16"
)

var (
	// newerVersion is the directive of YAML 1.2 at the beginning of a file, which the library takes for something unknown,
	// though it reads 1.2.
	newerVersion = regexp.MustCompile(`^(?:(?:#.*|[ \t]*)\r?\n)*%YAML 1\.2[ \t]*\r?\n`)
	// blockText is the beginning of a text of several lines, which JSON does not have.
	blockText = regexp.MustCompile(`(?m)[|>][-+0-9]*[ \t]*\r?$`)
	// jsonEscape is any escape of JSON's; pairs of surrogates and \/ are those that YAML has not.
	jsonEscape = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\.`)
)

// readable makes YAML of what is close to it: the directive of YAML 1.2 becomes that of 1.1, of the same length, and the
// escapes that JSON has beyond YAML, as Ansible writes them, become the characters.
func readable(text []byte) []byte {
	head := newerVersion.Find(text)
	body := text[len(head):]
	if isJSON(body) {
		body = unescaped(body)
	}
	return append(bytes.Replace(head, []byte("%YAML 1.2"), []byte("%YAML 1.1"), 1), body...)
}

// unescaped has the characters in the place of the escapes that YAML has not.
func unescaped(text []byte) []byte {
	return jsonEscape.ReplaceAllFunc(text, func(escape []byte) []byte {
		switch {
		case len(escape) > 2:
			return []byte(string(utf16.DecodeRune(surrogate(escape[2:6]), surrogate(escape[8:12]))))
		case escape[1] == '/':
			return []byte("/")
		default:
			return escape
		}
	})
}

func surrogate(digits []byte) rune {
	number, _ := strconv.ParseUint(string(digits), 16, 16) // four digits of 16
	return rune(number)
}

// isJSON reports whether a file is JSON, or documents of it, in which a backslash stands in texts alone.
func isJSON(text []byte) bool {
	begin := bytes.TrimLeft(bytes.TrimPrefix(bytes.TrimLeft(text, "\ufeff \t\r\n"), []byte("---")), " \t\r\n")
	return (bytes.HasPrefix(begin, []byte("{")) || bytes.HasPrefix(begin, []byte("["))) && !blockText.Match(text)
}

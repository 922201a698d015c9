// Package terminal prepares text for people: names, errors of images and registries, and the output of containers
// come from anywhere, and a terminal obeys the escapes in them. It must never know the subject of a text.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/term"
)

// Escape escapes characters that a terminal would obey or hide: control characters but line ends and tabs, bytes that are no
// text, and characters that change the direction of text. An escape in JSON is a valid escape there.
func Escape(text string) string {
	if isClean(text) {
		return text
	}
	var clean strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		escape(&clean, r, text[i:i+size])
		i += size
	}
	return clean.String()
}

// Line makes a text a part of a line: it is escaped, a line end in it is " / ", and a tab is a space.
func Line(text string) string { return Escape(inLine.Replace(text)) }

var inLine = strings.NewReplacer("\n", " / ", "\t", " ")

// Status is a text as systemd is notified of it (STATUS= of sd_notify(3)): its first line, in which systemd drops each
// backslash that is not doubled.
func Status(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return strings.ReplaceAll(Escape(line), `\`, `\\`)
}

// IsShown reports whether a terminal shows a character, and neither obeys nor hides it.
func IsShown(r rune) bool { return r == '\n' || r == '\t' || strconv.IsPrint(r) }

func escape(clean *strings.Builder, r rune, bytes string) {
	switch {
	case r == utf8.RuneError && len(bytes) == 1, r < ' ' && r != '\n' && r != '\t':
		fmt.Fprintf(clean, `\x%02x`, bytes[0])
	case IsShown(r):
		clean.WriteString(bytes)
	case r > 0xffff:
		high, low := utf16.EncodeRune(r)
		fmt.Fprintf(clean, `\u%04x\u%04x`, high, low)
	default:
		fmt.Fprintf(clean, `\u%04x`, r)
	}
}

func isClean(text string) bool {
	for i, r := range text {
		if !IsShown(r) || r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)) {
			return false
		}
	}
	return true
}

// Writer escapes all text that is written to another one. It may be used by several at once.
type Writer struct {
	to io.Writer

	mu   sync.Mutex
	rest []byte // the beginning of a character whose end is still to come
}

// NewWriter makes a writer.
func NewWriter(to io.Writer) *Writer { return &Writer{to: to} }

// Write implements [io.Writer].
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := append(w.rest, p...)
	whole := len(text) - unfinished(text)
	w.rest = append([]byte(nil), text[whole:]...)
	if _, err := io.WriteString(w.to, Escape(string(text[:whole]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes the beginning of a character that has no end.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := io.WriteString(w.to, Escape(string(w.rest)))
	w.rest = nil
	return err
}

// unfinished is how many bytes at the end of a text begin a character that more bytes may complete.
func unfinished(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if end := text[len(text)-n:]; utf8.RuneStart(end[0]) {
			if !utf8.FullRune(end) {
				return n
			}
			return 0
		}
	}
	return 0
}

// Raw is the writer that a Writer escapes for, for text that is escaped already; any other writer is returned as it is.
func Raw(w io.Writer) io.Writer {
	if escaping, ok := w.(*Writer); ok {
		return escaping.to
	}
	return w
}

// Is reports whether text that is written to w goes to a terminal.
func Is(w io.Writer) bool {
	file, ok := Raw(w).(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

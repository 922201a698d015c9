package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/davit-project/davit/agent/terminal"
	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/object"
)

// excerpts prints diagnostics with the lines they point at.
type excerpts struct {
	w      io.Writer
	colour bool
	texts  map[string][]byte
	// lines are a file's, once they are needed, without those that may hold a secret.
	lines map[string][][]rune
}

func newExcerpts(w io.Writer, files []manifests.File) *excerpts {
	// https://no-color.org
	colour := terminal.Is(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if colour {
		w = terminal.Raw(w) // all but the colours is escaped here
	}
	e := &excerpts{w: w, colour: colour, texts: map[string][]byte{}, lines: map[string][][]rune{}}
	for _, file := range files {
		e.texts[file.Path] = file.Text
	}
	return e
}

var (
	// lineBreak is a line break of YAML 1.1.
	lineBreak     = regexp.MustCompile("\r\n|[\r\n\u0085\u2028\u2029]")
	documentStart = regexp.MustCompile(`^---(\s|$)`)
	// kindSecret finds the kind however it is written: quoted, in braces, on a line of its
	// own. Rather one line too few is shown than one too many.
	kindSecret = regexp.MustCompile(`(?i)kind\W+(!\S*\s+)?\W*secret`)
)

// linesToShow splits a file into lines and empties those of documents of kind Secret: of a
// file that is not YAML no diagnostic shows a line.
func linesToShow(text []byte) [][]rune {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	lines := lineBreak.Split(string(bytes.ToValidUTF8(text, []byte("\ufffd"))), -1)
	begin := 0
	for i := 1; i <= len(lines); i++ {
		if i < len(lines) && !documentStart.MatchString(lines[i]) {
			continue
		}
		if kindSecret.MatchString(strings.Join(lines[begin:i], "\n")) {
			clear(lines[begin:i])
		}
		begin = i
	}
	shown := make([][]rune, 0, len(lines))
	for _, line := range lines {
		shown = append(shown, []rune(line))
	}
	return shown
}

// print writes each diagnostic as one line, and below it the line of the file with a caret
// under the column.
func (e *excerpts) print(diagnostics object.Diagnostics) {
	for _, d := range diagnostics {
		fmt.Fprintf(e.w, "%s: %s\n", e.paint(bold, object.Printable(d.Position.String())), d.Text())
		if d.Confidential {
			continue
		}
		lines, ok := e.lines[d.File]
		if !ok {
			lines = linesToShow(e.texts[d.File])
			e.lines[d.File] = lines
		}
		if d.Line < 1 || d.Line > len(lines) || len(lines[d.Line-1]) == 0 {
			continue
		}
		shown, caret := excerpt(lines[d.Line-1], d.Column)
		fmt.Fprintf(e.w, "%6d | %s\n       | %s\n", d.Line, shown, e.paint(red, caret))
	}
}

// The length of the excerpt of a long line: so many characters before the column, and in all.
const (
	excerptBefore = 40
	excerptLength = 72
)

// excerpt returns what to show of a line, and below it the caret under a column, which counts
// characters from 1.
func excerpt(characters []rune, column int) (shown, caret string) {
	at := min(max(column-1, 0), len(characters))
	begin, end := 0, len(characters)
	if end > excerptLength {
		begin = max(min(at-excerptBefore, end-excerptLength), 0)
		end = begin + excerptLength
	}
	before, after := visible(characters[begin:at]), visible(characters[at:end])
	if begin > 0 {
		before = "…" + before
	}
	if end < len(characters) {
		after += "…"
	}
	return before + after, strings.Repeat(" ", runewidth.StringWidth(before)) + "^"
}

// visible makes a tab one space, so that the caret's place is known, and escapes characters that a
// terminal would obey.
func visible(characters []rune) string {
	return object.Printable(strings.ReplaceAll(string(characters), "\t", " "))
}

// The colours of a terminal (ECMA-48, Select Graphic Rendition).
const (
	bold = "1"
	red  = "31"
)

func (e *excerpts) paint(colour, text string) string {
	if !e.colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

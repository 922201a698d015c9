package terminal

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"web: up\n\tnext\n":    "web: up\n\tnext\n",
		"größer 🐳 日本":          "größer 🐳 日本",
		"\x1b]0;owned\a":       `\x1b]0;owned\x07`,
		"a\rb\x00\x7f":         `a\x0db\x00\u007f`,
		"\u009b31m":            `\u009b31m`,
		"\x9b31m":              `\x9b31m`,
		"gnp.\u202etxt":        `gnp.\u202etxt`,
		"a tag: \U000e0041":    `a tag: \udb40\udc41`,
		"\ufffd is a sign too": "\ufffd is a sign too",
	} {
		if got := Escape(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestALineStaysOne(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"held\n0 actions": "held / 0 actions", "a\tb": "a b", "\v\f\x1b": `\x0b\x0c\x1b`, "größer": "größer",
	} {
		if got := Line(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestAStatusIsOneLine(t *testing.T) {
	t.Parallel()
	if got, want := Status("probe: \x1b[2J C:\\\nREADY=1"), `probe: \\x1b[2J C:\\`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCharactersInPiecesStayWhole(t *testing.T) {
	t.Parallel()
	const text = "größer 🐳 \u009b \xf0\x9f end\xc3"
	for size := 1; size <= len(text); size++ {
		var to bytes.Buffer
		w := NewWriter(&to)
		for begin := 0; begin < len(text); begin += size {
			piece := text[begin:min(begin+size, len(text))]
			if n, err := w.Write([]byte(piece)); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if got, want := to.String(), `größer 🐳 \u009b \xf0\x9f end\xc3`; got != want {
			t.Errorf("in pieces of %d: got %q, want %q", size, got, want)
		}
	}
}

func FuzzWriter(f *testing.F) {
	for _, text := range []string{"plain", "\x1b[2J", "\u009b", "\xff", "🐳", "\u202e"} {
		f.Add(text, 3)
	}
	f.Fuzz(func(t *testing.T, text string, at int) {
		var to bytes.Buffer
		w := NewWriter(&to)
		at = max(0, min(at, len(text)))
		for _, piece := range []string{text[:at], text[at:]} {
			if _, err := w.Write([]byte(piece)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		got := to.String()
		if !utf8.ValidString(got) {
			t.Errorf("%q is no text", got)
		}
		for _, r := range got {
			if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
				t.Errorf("%q becomes %q, which has %U", text, got, r)
			}
		}
		if encoded, err := json.Marshal(text); err != nil || !json.Valid([]byte(Escape(string(encoded)))) {
			t.Errorf("%q is JSON no more: %s", encoded, Escape(string(encoded)))
		}
	})
}

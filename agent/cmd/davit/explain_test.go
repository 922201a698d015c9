package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/davit-project/davit/manifests/schema"
)

func TestExplanationsFitATerminal(t *testing.T) {
	t.Parallel()
	for _, kind := range schema.Kinds() {
		for _, field := range kind.Fields {
			var text bytes.Buffer
			if err := explain(&text, kind.Name+"."+field.Name, false); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(text.String()) {
				// A URL cannot be broken.
				if utf8.RuneCountInString(line) > 81 && !strings.Contains(line, "://") {
					t.Errorf("more than 80 columns: %s", line)
				}
			}
		}
	}
}

package yaml

import (
	"slices"
	"strings"
	"testing"
)

func TestBounds(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a large file":   "a: " + strings.Repeat("x", MaxFileSize),
		"many documents": strings.Repeat("a: b\n---\n", maxDocuments+1),
		"deep":           "a: " + strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1),
		"very deep":      strings.Repeat("[", 100_000),
		"many values":    "a: [" + strings.Repeat("1,", maxNodes+1) + "]",
		"billion laughs": "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [" + ten("*a") + "]\nc: &c [" + ten("*b") + "]\nd: &d [" + ten("*c") + "]\ne: [" + ten("*d") + "]\n",
	} {
		documents, diagnostics := Parse(File{Path: "app.yaml", Text: []byte(text)})
		if len(diagnostics) == 0 && !slices.ContainsFunc(documents, func(d *Document) bool { return len(d.Diagnostics) > 0 }) {
			t.Errorf("%s is taken", name)
		}
	}
}

func ten(alias string) string { return strings.Repeat(alias+",", 9) + alias }

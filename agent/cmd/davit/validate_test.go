package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/object"
)

func TestExcerpt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		line, shown, caret string
		column             int
	}{
		"short":             {"  imagee: x", "  imagee: x", "  ^", 3},
		"past the end":      {"a:", "a:", "  ^", 9},
		"tabs":              {"\ta:\tb", " a: b", "    ^", 5},
		"wide letters":      {"名: 値 x", "名: 値 x", "       ^", 6},
		"escape sequences":  {"a: \x1b[31m b", `a: \x1b[31m b`, strings.Repeat(" ", 12) + "^", 10},
		"direction of text": {"a: \u202eb", `a: \u202eb`, "   ^", 4},
		"long, at the end":  {strings.Repeat("x", 99) + "y", "…" + strings.Repeat("x", 71) + "y", strings.Repeat(" ", 72) + "^", 100},
		"long, in between": {strings.Repeat("x", 200), "…" + strings.Repeat("x", 72) + "…",
			strings.Repeat(" ", 41) + "^", 100},
	} {
		shown, caret := excerpt([]rune(test.line), test.column)
		if diff := cmp.Diff([]string{test.shown, test.caret}, []string{shown, caret}); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: davit/v1\nmetadata: {name: a}\n"
	for name, text := range map[string]string{
		"a wrong type":     head + "kind: Secret\nstringData: {a: 4711}\n",
		"wrong base64":     head + "kind: Secret\ndata: {a: =4711}\n",
		"not a mapping":    head + "kind: Secret\nstringData: x4711\n",
		"not YAML":         head + "kind: 'Secret'\nstringData: {a: \"4711}\n",
		"JSON":             `{"kind": "Secret", "apiVersion": "davit/v1", "metadata": {"name": 1}, "stringData": {"a": "4711"}}`,
		"of Kubernetes":    "apiVersion: v1\nkind:\n  Secret\ndata: {a: 4711}\ndata: {}\n",
		"misplaced":        head + "kind: Secret\nstringDat: {a: x4711}\n",
		"not an alias":     head + "kind: Secret\nstringData: {a: *x4711}\n",
		"a template":       head + "kind: Secret\nstringData: {a: *x4711, b: '{{ c }}'}\n",
		"not a tag, alone": head + "kind: Secret\nstringData:\n  a: !x4711 b\n",
		"not a tag":        head + "kind: Secret\nstringData: {a: !x4711}\n",
		"other, further":   "a: b\n---\n" + head + "kind: Secret\nstringData: {a: 4711}\n",
	} {
		files := []manifests.File{{Path: "a.yaml", Text: []byte(text)}}
		var printed bytes.Buffer
		diagnostics := manifests.Load(files, manifests.Options{}).Diagnostics
		newExcerpts(&printed, files).print(diagnostics)
		if len(diagnostics) == 0 || strings.Contains(printed.String(), "4711") {
			t.Errorf("%s: %s", name, &printed)
		}
	}
}

func TestErrorsInColour(t *testing.T) {
	t.Parallel()
	var printed bytes.Buffer
	e := excerpts{w: &printed, colour: true, texts: map[string][]byte{"a.yaml": []byte("b: c\n")}, lines: map[string][][]rune{}}
	e.print(object.Diagnostics{{Position: object.Position{File: "a.yaml", Line: 1, Column: 4}, Message: "no"}})
	want := "\x1b[1ma.yaml:1:4\x1b[0m: no\n     1 | b: c\n       | \x1b[31m   ^\x1b[0m\n"
	if diff := cmp.Diff(want, printed.String()); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkValidateThousandFiles(b *testing.B) {
	dir := b.TempDir()
	for i := range 1000 {
		text := fmt.Sprintf(`apiVersion: davit/v1
kind: Container
metadata: {name: web-%d}
spec:
  image: docker.io/library/nginx:1.27
  env:
    - {name: MODE, value: "1"}
  ports:
    - {containerPort: 80, hostPort: %d}
  volumeMounts:
    - {name: data-%d, mountPath: /data}
---
apiVersion: davit/v1
kind: Volume
metadata: {name: data-%d}
`, i, 1024+i, i, i)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.yaml", i)), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		set, err := loadFiles([]string{dir}, manifests.Options{})
		if err != nil || !set.Complete() {
			b.Fatal(err, set.Diagnostics.Err())
		}
	}
}

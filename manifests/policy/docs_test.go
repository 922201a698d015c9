package policy

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite docs/policy.md")

// TestDocumentation keeps the list of settings in docs/policy.md as the doc comments are.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- settings: written by go test ./manifests/policy -update -->\n", "<!-- /settings -->"
	path := filepath.Join("..", "..", "docs", "policy.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no marks for the settings", path)
	}
	want := before + begin + fieldsOfPolicy(t) + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("%s is stale; -update rewrites it:\n%s", path, diff)
	}
}

// fieldsOfPolicy are the fields of Policy with their doc comments.
func fieldsOfPolicy(t *testing.T) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "policy.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	ast.Inspect(file, func(node ast.Node) bool {
		if spec, ok := node.(*ast.TypeSpec); ok && spec.Name.Name == "Policy" {
			for _, field := range spec.Type.(*ast.StructType).Fields.List {
				comments[field.Names[0].Name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
			}
		}
		return true
	})
	var text strings.Builder
	text.WriteString("\n")
	for field := range reflect.TypeFor[Policy]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		comment := comments[field.Name]
		if comment == "" {
			t.Errorf("%s has no doc comment", field.Name)
		}
		fmt.Fprintf(&text, "- `%s`: %s\n", name, description(field.Name, comment))
	}
	return text.String() + "\n"
}

// description is a doc comment without the words before the description of the field: "Preset is", "Units are".
func description(field, comment string) string {
	text := strings.TrimPrefix(comment, field+" ")
	for _, verb := range []string{"is ", "are "} {
		text = strings.TrimPrefix(text, verb)
	}
	return text
}

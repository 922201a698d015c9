package main

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/davit-project/davit/agent"
	"github.com/davit-project/davit/agent/terminal"
	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/reconcile"
)

// fill sets all texts in a value that can be set, and makes an entry of each list and map.
func fill(v reflect.Value, text string, depth int) {
	if depth == 0 || !v.CanSet() {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text, depth-1)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return // JSON within JSON, which is not made here
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), text, depth-1)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, text, depth-1)
		fill(value, text, depth-1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), text, depth-1)
		}
	case reflect.Interface:
		if reflect.TypeFor[error]().Implements(v.Type()) && v.NumMethod() == 1 {
			v.Set(reflect.ValueOf(errors.New(text)))
		}
	}
}

// filled is a value with a text wherever it has one.
func filled[T any](text string) T {
	var value T
	fill(reflect.ValueOf(&value).Elem(), text, 9)
	return value
}

// printed is what each command prints that prints texts of others, by command and format.
func printed(t *testing.T, text string) map[string]string {
	t.Helper()
	all := map[string]string{}
	show := func(name string, data any, print func(w io.Writer) error) {
		for _, format := range []string{"text", "json", "yaml"} {
			var to bytes.Buffer
			w := terminal.NewWriter(&to)
			s := settings{output: format}
			// Data that has no JSON or YAML is an error, which is printed.
			if err := s.print(w, data, func() error { return print(w) }); err != nil {
				exitStatus(w, err)
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			all[name+" -o "+format] = to.String()
		}
	}
	report := filled[agent.Report](text)
	show("status", report, func(w io.Writer) error { return printReport(w, report) })
	why := filled[agent.Explanation](text)
	show("why", why, func(w io.Writer) error { return printWhy(w, why) })
	plan := filled[planned](text)
	show("plan", plan, func(w io.Writer) error { return printPlan(w, plan) })
	history := filled[[]reconcile.Generation](text)
	show("history", history, func(w io.Writer) error { return printHistory(w, history) })
	usage := filled[[]measured](text)
	show("top", usage, func(w io.Writer) error { return printUsage(w, usage) })
	var done outcome
	fill(reflect.ValueOf(&done).Elem(), text, 9)
	show("apply", &done, func(w io.Writer) error { return done.print(w, false) })
	diagnostics := filled[manifests.Diagnostics](text)
	show("validate", diagnostics, func(w io.Writer) error {
		diagnostics[0].Position = manifests.Position{File: text, Line: 1, Column: 1}
		newExcerpts(w, []manifests.File{{Path: text, Text: []byte(text)}}).print(diagnostics)
		reportDiagnostics(w, diagnostics)
		return printAnnotations(w, diagnostics)
	})
	show("an error", text, func(w io.Writer) error {
		exitStatus(w, errors.New(text))
		return nil
	})
	return all
}

// rawIn is the first character of an output that a terminal obeys; 0 for none.
func rawIn(output string) rune {
	for _, r := range output {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return r
		}
	}
	if !utf8.ValidString(output) {
		return utf8.RuneError
	}
	return 0
}

// FuzzNothingThatATerminalObeysIsPrinted has a text everywhere where a manifest, an image, a registry or a container can
// bring one.
func FuzzNothingThatATerminalObeysIsPrinted(f *testing.F) {
	for _, text := range []string{
		"\x1b]0;owned\a", "a\x1b[2Jb", "\u009b31m", "\x9b31m", "a\rb", "\x7f", "\x00", "\x08\x08", "<0>\x1bc", "\u0085", "\xc2", "\u202e", "plain",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for command, output := range printed(t, text) {
			if r := rawIn(output); r != 0 {
				t.Errorf("davit %s prints %U of %q: %q", command, r, text, output)
			}
		}
	})
}

// TestTextsReachTheOutput sees to it that the fuzz target looks at something: each command prints the text.
func TestTextsReachTheOutput(t *testing.T) {
	t.Parallel()
	for command, output := range printed(t, "c4n4ry") {
		if command != "top -o text" && !strings.Contains(output, "c4n4ry") {
			t.Errorf("davit %s prints none of it: %q", command, output)
		}
	}
}

// written are the functions that write to the node's terminal themselves, with why nothing of others is in it.
var written = map[string]string{
	"main":          "makes the escaping writers",
	"copyFiles":     "a tar stream, which is refused on a terminal",
	"newLog":        "slog quotes what is not printable",
	"Handle":        "slog quotes what is not printable",
	"runSupervised": "another process of davit's",
	"topCommand":    "asks whether it is a terminal",
	"watch":         "davit's own words for the terminal",
	"draw":          "escapes the table, and has davit's own words for the terminal",
}

func TestCommandsPrintThroughTheEscapingWriters(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for function, use := range writes(t, file, nil) {
			if written[function] == "" {
				t.Errorf("%s: %s uses %s: use the command's OutOrStdout or ErrOrStderr", file, function, use)
			}
		}
	}
	if planted := writes(t, "planted.go", "package p\nfunc f() { fmt.Fprintln(os.Stderr, err) }\nfunc g() { fmt.Println(err) }"); len(planted) != 2 {
		t.Errorf("found %v of what was planted", planted)
	}
}

// writes are the uses of the process's own standard output and error in a file, by function.
func writes(t *testing.T, name string, source any) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok {
			continue
		}
		ast.Inspect(function, func(node ast.Node) bool {
			selector, ok := node.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			switch of, _ := selector.X.(*ast.Ident); {
			case of == nil:
			case of.Name == "os" && (selector.Sel.Name == "Stdout" || selector.Sel.Name == "Stderr"),
				of.Name == "fmt" && strings.HasPrefix(selector.Sel.Name, "Print"):
				found[function.Name.Name] = of.Name + "." + selector.Sel.Name
			}
			return true
		})
	}
	return found
}

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	yamlv3 "go.yaml.in/yaml/v3"

	"github.com/davit-project/davit/agent"
	"github.com/davit-project/davit/agent/images"
	"github.com/davit-project/davit/agent/terminal"
	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/compare"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/units/bundle"
)

// filler fills values with a text wherever they have one. Without random numbers all is set; with them parts are left out.
type filler struct {
	text   string
	random *rand.Rand
}

// words are the strings of a type that decide the output.
var words = map[reflect.Type]string{reflect.TypeFor[history.GenerationState](): string(history.Applying)}

func (f filler) chance() bool { return f.random == nil || f.random.IntN(4) > 0 }

// number is how many entries a list has.
func (f filler) number() int {
	if f.random == nil {
		return 1
	}
	return f.random.IntN(3)
}

func (f filler) fill(v reflect.Value, depth int) {
	if depth == 0 || !v.CanSet() {
		return
	}
	switch v.Kind() {
	case reflect.String:
		if v.SetString(f.text); words[v.Type()] != "" && !f.chance() {
			v.SetString(words[v.Type()])
		}
	case reflect.Bool:
		v.SetBool(f.chance())
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(f.number()))
	case reflect.Pointer:
		if f.chance() {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(v.Elem(), depth-1)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return // JSON within JSON, which is not made here
		}
		v.Set(reflect.MakeSlice(v.Type(), f.number(), 2))
		for i := range v.Len() {
			f.fill(v.Index(i), depth-1)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key, depth-1)
		f.fill(value, depth-1)
		if v.Set(reflect.MakeMap(v.Type())); f.chance() {
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			f.fill(v.Field(i), depth-1)
		}
	case reflect.Interface:
		if reflect.TypeFor[error]().Implements(v.Type()) && v.NumMethod() == 1 {
			v.Set(reflect.ValueOf(errors.New(f.text)))
		}
	}
}

// filled is a value with a text wherever it has one.
func filled[T any](f filler) *T {
	value := new(T)
	f.fill(reflect.ValueOf(value).Elem(), 9)
	return value
}

// output is the output of a command, in a format.
type output struct {
	text string
	// lines is set if no foreign text may pass for a line that davit printed.
	lines bool
}

// printer is the part of a command that prints.
type printer struct {
	t       *testing.T
	printed map[string]output
}

// show prints data in each format, as a command does.
func (p printer) show(command string, data any, print func(w io.Writer) error) {
	p.t.Helper()
	for _, format := range []string{"text", "json", "yaml"} {
		s := settings{output: format}
		p.raw(command+" -o "+format, format != "yaml" && command+format != "rendertext", func(w io.Writer) error {
			return s.print(w, data, func() error { return print(w) })
		})
	}
}

// raw runs print without escapes.
func (p printer) raw(name string, lines bool, print func(w io.Writer) error) {
	p.t.Helper()
	var to bytes.Buffer
	w := terminal.NewWriter(&to)
	if err := errors.Join(print(w), w.Flush()); err != nil {
		p.t.Errorf("davit %s: %v", name, err)
	}
	p.printed[name] = output{to.String(), lines}
}

// printed is the output of each command that prints texts of others, by command and format.
func printed(t *testing.T, f filler) map[string]output {
	t.Helper()
	p := printer{t, map[string]output{}}
	report := filled[agent.Report](f)
	p.show("status", report, func(w io.Writer) error { return printReport(w, *report) })
	why := filled[agent.Explanation](f)
	p.show("why", why, func(w io.Writer) error { return printWhy(w, *why) })
	plan := filled[planned](f)
	p.show("plan", plan, func(w io.Writer) error { return printPlan(w, *plan) })
	history := filled[[]history.Generation](f)
	p.show("history", history, func(w io.Writer) error { return printHistory(w, *history) })
	differences := filled[[]compare.Difference](f)
	p.show("diff", differences, func(w io.Writer) error { return printDifferences(w, *differences) })
	usage := filled[[]measured](f)
	p.show("top", usage, func(w io.Writer) error { return printUsage(w, *usage) })
	ports := filled[[]bundle.Port](f)
	p.show("port", ports, func(w io.Writer) error { return printPorts(w, *ports) })
	object := new(v1.Container)
	f.fill(reflect.ValueOf(object).Elem(), 5)
	rendered := map[string]rendering{f.text: {Object: object, Unit: f.text, Bundle: json.RawMessage("{}")}}
	p.show("render", rendered, func(w io.Writer) error { return printRendered(w, rendered) })
	p.apply(f)
	p.validate(f)
	p.errors(f)
	return p.printed
}

func (p printer) apply(f filler) {
	done := filled[outcome](f)
	p.show("apply", done, func(w io.Writer) error { return done.print(w, false) })
	p.show("apply --dry-run", done, func(w io.Writer) error { return done.print(w, true) })
	p.raw("apply: progress", true, func(w io.Writer) error {
		waiting(w)(f.text)
		bars := newPullBars(w, w)
		bars.report(images.Progress{Reference: f.text})
		bars.report(images.Progress{Reference: f.text, Ended: true})
		for _, status := range []reconcile.Status{reconcile.Done, reconcile.Failed, reconcile.Skipped} {
			event := filled[reconcile.Event](f)
			event.Status, event.Err = status, errors.New(f.text)
			new(outcome).note(*event, w)
		}
		done.warnings = []error{errors.New(f.text)}
		return done.withWarnings(nil, w)
	})
	p.raw("apply: failure", true, func(w io.Writer) error {
		exitStatus(w, done.withWarnings(errors.Join(done.failure(), errors.New(f.text)), w))
		return nil
	})
}

func (p printer) validate(f filler) {
	diagnostics := append(*filled[object.Diagnostics](f), *filled[object.Diagnostic](filler{text: f.text}))
	last := &diagnostics[len(diagnostics)-1]
	last.Position, last.Confidential = object.Position{File: f.text, Line: 1, Column: 1}, false
	files := []manifests.File{{Path: f.text, Text: []byte("a: " + f.text + "\nb\nc")}}
	p.show("validate", diagnostics, func(w io.Writer) error {
		newExcerpts(w, files).print(diagnostics)
		reportDiagnostics(w, diagnostics)
		return nil
	})
	p.raw("validate -o github", true, func(w io.Writer) error { return printAnnotations(w, diagnostics) })
	p.raw("validate in colours", true, func(w io.Writer) error {
		var to bytes.Buffer
		e := newExcerpts(&to, files)
		e.colour = true
		e.print(diagnostics)
		_, err := io.WriteString(terminal.Raw(w), colours.ReplaceAllString(to.String(), ""))
		return err
	})
}

// colours are the escapes that davit itself writes to a terminal.
var colours = regexp.MustCompile("\x1b\\[(1|31|0)m")

func (p printer) errors(f filler) {
	err := errors.New(f.text)
	for name, err := range map[string]error{
		"an error": err, "a wrapped error": fmt.Errorf("pull: %w", errors.Join(err, err)), "two errors": errors.Join(err, err),
	} {
		p.raw(name, true, func(w io.Writer) error {
			exitStatus(w, err)
			return nil
		})
	}
	p.raw("cp: skipped", true, func(w io.Writer) error {
		reportSkipped(w)(f.text, f.text)
		return nil
	})
	p.raw("agent: a log line", true, func(w io.Writer) error {
		record := slog.NewRecord(time.Time{}, slog.LevelWarn, f.text, 0)
		record.AddAttrs(slog.Any("error", err), slog.String("unit", f.text))
		text, err := messageOf(p.t.Context(), record)
		fmt.Fprintln(terminal.Raw(w), text)
		return err
	})
}

// rawIn is the first character of an output that a terminal obeys or hides; 0 for none.
func rawIn(output string) rune {
	for _, r := range output {
		if r != '\n' && r != '\t' && !strconv.IsPrint(r) {
			return r
		}
	}
	if !utf8.ValidString(output) {
		return utf8.RuneError
	}
	return 0
}

// FuzzNothingThatATerminalObeysIsPrinted puts a hostile text in every place that a manifest, an image, a registry or a
// container can fill. It must reach the terminal escaped, and must not pass for a line that davit printed.
func FuzzNothingThatATerminalObeysIsPrinted(f *testing.F) {
	for i, text := range []string{
		"\x1b]0;owned\a", "a\x1b[2Jb", "\u009b31m", "\x9b31m", "a\rb", "\x7f", "\x00", "\x08\x08", "<0>\x1bc", "\u0085", "\xc2", "plain",
		"\u202e", "a\u202ab\u202cc\u2066d\u2069e", "\ufffe", "\U000e0041", "\xed\xa0\x80", "\xff\tb", "\f\v",
		"a\nContainer/web: matches its manifest", "\n<0>all terminals", "a\u2028b", "\n", "\n\n\x1b",
	} {
		f.Add(text, uint64(0))
		f.Add(text, uint64(i+1))
	}
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		plain := printed(t, filler{"x", numbers(seed)})
		for command, output := range printed(t, filler{text, numbers(seed)}) {
			if r := rawIn(output.text); r != 0 {
				t.Errorf("davit %s prints %U of %q: %q", command, r, text, output.text)
			}
			if output.lines && strings.Count(output.text, "\n") > strings.Count(plain[command].text, "\n") {
				t.Errorf("davit %s prints more lines for %q:\n%s", command, text, output.text)
			}
		}
	})
}

// numbers are the random numbers of a seed; none for 0.
func numbers(seed uint64) *rand.Rand {
	if seed == 0 {
		return nil
	}
	return rand.New(rand.NewPCG(seed, 0))
}

// TestTextsReachTheOutput sees to it that the fuzz target looks at something: each command prints the text.
func TestTextsReachTheOutput(t *testing.T) {
	t.Parallel()
	for command, output := range printed(t, filler{text: "c4n4ry"}) {
		if !strings.Contains(output.text, "c4n4ry") {
			t.Errorf("davit %s prints none of it: %q", command, output.text)
		}
	}
}

// owns are the commands that print no texts of others, with the reason.
var owns = map[string]string{
	"logs": "runs journalctl: TestLogsAreEscaped", "exec": "becomes the command", "attach": "becomes the terminal, or logs", "rollback": "applies", "resume": "applies",
	"suspend": "prints errors alone", "explain": "prints davit's own words", "schema": "prints davit's own words", "version": "prints davit's own words",
}

// TestEveryCommandIsTried sees to it that a new command is.
func TestEveryCommandIsTried(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{}
	for name := range printed(t, filler{text: "x"}) {
		tried[strings.TrimSuffix(strings.Fields(name)[0], ":")] = true
	}
	for _, command := range rootCommand().Commands() {
		if name := command.Name(); tried[name] == (owns[name] != "") {
			t.Errorf("davit %s: have printed run what it prints, or say in owns why not", name)
		}
	}
}

func TestLogsAreEscaped(t *testing.T) {
	t.Parallel()
	var to bytes.Buffer
	w := terminal.NewWriter(&to)
	command := []string{"printf", `<0>\033]0;owned\007\302\233\n\342\200\256\xff`}
	if err := runEscaped(t.Context(), command, w, w); err != nil {
		t.Fatal(err)
	}
	if got, want := to.String(), `<0>\x1b]0;owned\x07\u009b`+"\n"+`\u202e\xff`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestLibrariesPrintThroughTheEscapingWriter is about their log lines on registries, images and connections.
func TestLibrariesPrintThroughTheEscapingWriter(t *testing.T) {
	defer log.SetOutput(log.Writer())
	defer logrus.SetOutput(logrus.StandardLogger().Out)
	var to bytes.Buffer
	w := terminal.NewWriter(&to)
	setOutput(rootCommand(), w, w)
	log.Print("from a server: \x1b[2J")
	logrus.WithField("header", "\x1b]0;a\a").Warn("from a registry: \x1b[2J")
	if got := to.String(); rawIn(got) != 0 || strings.Count(got, "from a") != 2 {
		t.Errorf("got %q", got)
	}
}

// TestDataIsExact reads the texts back from the escaped output.
func TestDataIsExact(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"\x1b]0;owned\a", "\u009b31m", "\x7f", "\u0085", "\u202e", "a\u2028b", "\ufffe", "\U000e0041", "🐳 größer", " a\n\tb\n", "true", "12", "null", "",
	} {
		data := map[string]any{"text": text, "list": []any{text, 1.5, true, nil}, "number": 12345678901234567, text: "key"}
		var want any
		encoded, err := json.Marshal(data)
		if err := errors.Join(err, json.Unmarshal(encoded, &want)); err != nil {
			t.Fatal(err)
		}
		for _, format := range []string{"json", "yaml"} {
			var to bytes.Buffer
			if err := (&settings{output: format}).print(terminal.NewWriter(&to), data, nil); err != nil {
				t.Fatalf("%q as %s: %v", text, format, err)
			}
			var got any
			// YAML has JSON in it.
			err := yamlv3.Unmarshal(to.Bytes(), &got)
			if format == "json" {
				err = json.Unmarshal(to.Bytes(), &got)
			}
			encoded, failed := json.Marshal(got)
			got = nil
			err = errors.Join(err, failed, json.Unmarshal(encoded, &got))
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%q as %s is not what it was: %v\n%s\n%s", text, format, err, diff, to.String())
			}
		}
	}
}

// written are the functions that write to the node's terminal themselves, or more than lines, with why nothing of others is
// in it, or does no harm.
var written = map[string]string{
	"printLine":      "makes a line",
	"row":            "makes a line",
	"escapeQuoted":   "makes data",
	"print":          "a line of a manifest has a number before it",
	"printRendered":  "YAML, a unit file and JSON, which begin no line with a text of others",
	"versionCommand": "davit's own words",
	"explain":        "davit's own words", "explainKinds": "davit's own words", "explainFields": "davit's own words", "explainTree": "davit's own words",
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
				t.Errorf("%s: %s uses %s: use printLine and the command's OutOrStdout or ErrOrStderr", file, function, use)
			}
		}
	}
	if planted := writes(t, "planted.go", "package p\nfunc f() { fmt.Fprintln(os.Stderr, err) }\nfunc g() { fmt.Println(err) }"); len(planted) != 2 {
		t.Errorf("found %v of what was planted", planted)
	}
}

// TestTheLauncherPrintsThroughTheEscapingWriters is the same for the output of the launcher, whose standard output and error
// are otherwise the container's.
func TestTheLauncherPrintsThroughTheEscapingWriters(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"../davit-run/*.go", "../../launch/*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if raw := printsRaw.Find(text); raw != nil && !strings.HasSuffix(file, "_test.go") {
				t.Errorf("%s: %s: use an escaping writer", file, raw)
			}
		}
	}
}

// printsRaw finds calls that print past them.
var printsRaw = regexp.MustCompile(`(fmt\.Fprint\w*|json\.NewEncoder)\(os\.Std(out|err)\b.*`)

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
				of.Name == "fmt" && (strings.HasPrefix(selector.Sel.Name, "Print") || strings.HasPrefix(selector.Sel.Name, "Fprint")):
				found[function.Name.Name] = of.Name + "." + selector.Sel.Name
			}
			return true
		})
	}
	return found
}

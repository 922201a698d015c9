package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// holdPart compares the part between two marks of a document with a text, or writes it there.
func holdPart(t *testing.T, file, begin, end, want string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no marks %q and %q", file, begin, end)
	}
	whole := before + begin + want + end + after
	if *update {
		if err := os.WriteFile(file, []byte(whole), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(whole, string(text)); diff != "" {
		t.Errorf("%s is stale; -update rewrites it:\n%s", file, diff)
	}
}

// TestReachIsDocumented compares the table of the pairs that reach each other with the one of its scenario.
func TestReachIsDocumented(t *testing.T) {
	t.Parallel()
	scenario, err := txtar.ParseFile("testdata/reach.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range scenario.Files {
		if file.Name == "reach.golden" {
			holdPart(t, "../docs/security.md", "<!-- reach: written by go test ./e2e -run Reach -update -->\n", "<!-- /reach -->", "\n"+string(file.Data)+"\n")
			return
		}
	}
	t.Error("the scenario has no table")
}

// TestDocumentedCommandsAreRun checks that scenarios run the commands that documents show.
func TestDocumentedCommandsAreRun(t *testing.T) {
	t.Parallel()
	for document, scenarios := range map[string][]string{
		"operate": {"operate", "why", "why-manifest", "why-run"},
		"updates": {"upgrade", "generations", "failed-update", "prune-protection", "why"},
	} {
		text, err := os.ReadFile("../docs/" + document + ".md")
		if err != nil {
			t.Fatal(err)
		}
		var run strings.Builder
		for _, scenario := range scenarios {
			lines, err := os.ReadFile("testdata/" + scenario + ".txtar")
			if err != nil {
				t.Fatal(err)
			}
			run.Write(lines)
		}
		for line := range strings.Lines(string(text)) {
			command, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "    davit ")
			if ok && !strings.Contains(run.String(), "davit "+command) {
				t.Errorf("docs/%s.md: no scenario runs davit %s", document, command)
			}
		}
	}
}

// testName is a test or a scenario as the tables of docs/security.md name it: "test agent/launch TestX", "scenario reach".
var testName = regexp.MustCompile(`^(?:test (\S+) ((?:Test|Fuzz)\w+)|scenario (\S+)|make lint|none yet)$`)

// TestEveryThreatNamesTestsThatExist holds the tables of threats to the tests.
func TestEveryThreatNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, model, _ := strings.Cut(string(text), "## Threat model")
	rows := 0
	for line := range strings.Lines(model) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 3 || strings.HasPrefix(line, "| threat |") {
			continue
		}
		rows++
		for name := range strings.SplitSeq(strings.TrimSuffix(cells[2], " |"), ", ") {
			if why := missing(name); why != "" {
				t.Errorf("docs/security.md: %s: %s: %s", cells[0], name, why)
			}
		}
	}
	if rows < 50 {
		t.Errorf("found %d threats", rows)
	}
}

// missing is the fault of the name of a test; empty for none.
func missing(name string) string {
	match := testName.FindStringSubmatch(strings.Trim(name, "`"))
	if match == nil {
		return `want "test PACKAGE TestNAME" or "scenario NAME"`
	}
	pkg, test, scenario := match[1], match[2], match[3]
	files, _ := filepath.Glob("testdata/" + scenario + ".txtar")
	if test != "" {
		files, _ = filepath.Glob("../" + pkg + "/*_test.go")
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); test == "" || err == nil && strings.Contains(string(text), "\nfunc "+test+"(") {
			return ""
		}
	}
	if test == "" && scenario == "" {
		return ""
	}
	return "there is none"
}

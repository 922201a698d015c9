package e2e

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// proof is a line of a test's heading comment: "fault: FAULT | RESULT". If several
// tests are of one fault, one of them says the result.
type proof struct {
	test, fault, outcome string
}

const proofPrefix = "fault: "

// TestFaultsAreListed makes docs/faults.md from the list of faults and the tests that prove their
// results. Each fault of the list has a test, or names the missing one.
func TestFaultsAreListed(t *testing.T) {
	t.Parallel()
	list, err := os.ReadFile("testdata/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	proofs := append(scenarioProofs(t), goProofs(t)...)
	want, err := faultList(string(list), proofs)
	if err != nil {
		t.Fatal(err)
	}
	const document = "../docs/faults.md"
	if *update {
		if err := os.WriteFile(document, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is not what the tests say: run go test ./e2e -run FaultsAreListed -update\n%s", document, diff)
	}
}

// scenarioProofs are those of the scenarios' comments.
func scenarioProofs(t *testing.T) []proof {
	t.Helper()
	var proofs []proof
	err := filepath.WalkDir("testdata", func(path string, _ fs.DirEntry, err error) error {
		name, ok := strings.CutSuffix(path, ".txtar")
		if err != nil || !ok {
			return err
		}
		text, err := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			comment, ok := strings.CutPrefix(line, "# ")
			if !ok {
				break // the heading is over
			}
			proofs = appendProof(proofs, "scenario "+strings.TrimPrefix(name, "testdata/"), comment)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return proofs
}

// goProofs are those of the doc comments of all tests of the module.
func goProofs(t *testing.T) []proof {
	t.Helper()
	var proofs []proof
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, declaration := range file.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok || function.Doc == nil {
				continue
			}
			dir := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../")
			for line := range strings.Lines(function.Doc.Text()) {
				proofs = appendProof(proofs, "test "+dir+" "+function.Name.Name, line)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return proofs
}

func appendProof(proofs []proof, test, line string) []proof {
	text, ok := strings.CutPrefix(strings.TrimSpace(line), proofPrefix)
	if !ok {
		return proofs
	}
	fault, outcome, _ := strings.Cut(text, " | ")
	return append(proofs, proof{test, fault, outcome})
}

// faultList fills the list in. Its lines "- FAULT" become the rows of a table; the text after a bar names
// the part of the fault that no test shows, and comes at the end.
func faultList(list string, proofs []proof) (string, error) {
	var document, lacks strings.Builder
	byFault := map[string][]proof{}
	for _, p := range proofs {
		byFault[p.fault] = append(byFault[p.fault], p)
	}
	inTable := false
	for line := range strings.Lines(list) {
		entry, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "- ")
		if !ok {
			document.WriteString(line)
			inTable = false
			continue
		}
		fault, lack, lacking := strings.Cut(entry, " | ")
		if lacking {
			fmt.Fprintf(&lacks, "- %s: %s\n", fault, lack)
		}
		found := byFault[fault]
		delete(byFault, fault)
		if len(found) == 0 && !lacking {
			return "", fmt.Errorf("%q has no test, and does not say what it lacks", fault)
		}
		if len(found) == 0 {
			continue
		}
		if !inTable {
			document.WriteString("| fault | result | proof |\n|-------|--------------------|-------|\n")
			inTable = true
		}
		row, err := faultRow(fault, found)
		if err != nil {
			return "", err
		}
		document.WriteString(row)
	}
	if len(byFault) > 0 {
		return "", fmt.Errorf("tests are of faults that are not in the list: %q", slices.Sorted(maps.Keys(byFault)))
	}
	return document.String() + lacks.String(), nil
}

// faultRow is one fault with its result and the tests that show it.
func faultRow(fault string, proofs []proof) (string, error) {
	var outcomes, tests []string
	for _, p := range proofs {
		if p.outcome != "" {
			outcomes = append(outcomes, p.outcome)
		}
		tests = append(tests, p.test)
	}
	if len(outcomes) != 1 {
		return "", fmt.Errorf("%q: %d of its tests says the result, want one: %q", fault, len(outcomes), tests)
	}
	return fmt.Sprintf("| %s | %s | %s |\n", fault, outcomes[0], strings.Join(tests, ", ")), nil
}

package e2e

import (
	"os"
	"strings"
	"testing"
)

// TestDocumentedCommandsAreRun keeps documents to the scenarios that run what they show.
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

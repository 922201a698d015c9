package e2e

import (
	"os"
	"strings"
	"testing"
)

// TestOperateRunsWhatItsDocumentShows keeps docs/operate.md to the scenario of its name.
func TestOperateRunsWhatItsDocumentShows(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	scenario, err := os.ReadFile("testdata/operate.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(document)) {
		command, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "    davit ")
		if ok && !strings.Contains(string(scenario), "davit "+command) {
			t.Errorf("docs/operate.md: no scenario runs davit %s", command)
		}
	}
}

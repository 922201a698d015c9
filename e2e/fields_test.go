package e2e

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryFieldIsInAScenario keeps the scenarios, and the examples that they run, to every field that
// a manifest can have.
func TestEveryFieldIsInAScenario(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/davit.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Definitions map[string]struct {
			Properties map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, dir := range []string{"testdata", "../examples"} {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Name() == "foreign" { // no scenario runs them
				return fs.SkipDir
			}
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".txtar") && !strings.HasSuffix(path, ".yaml") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, key := range yamlKey.FindAllSubmatch(text, -1) {
				said[string(key[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, definition := range schema.Definitions {
		for field := range definition.Properties {
			if !said[field] {
				t.Errorf("no scenario has the field %s of %s", field, name)
			}
		}
	}
}

// yamlKey is a key of a mapping.
var yamlKey = regexp.MustCompile(`([A-Za-z0-9]+)["']?:`)

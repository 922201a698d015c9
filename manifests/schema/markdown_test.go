package schema

import (
	"os"
	"strings"
	"testing"
)

func TestTheReferenceIsFresh(t *testing.T) {
	t.Parallel()
	const file = "../../docs/manifests.md"
	const begin, end = "<!-- fields: written by go test ./manifests/schema -update -->\n", "\n<!-- /fields -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(text), begin)
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("%s has no place for the fields", file)
	}
	want := before + begin + markdown() + end + after
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Errorf("%s is stale: run go test ./manifests/schema -update", file)
	}
}

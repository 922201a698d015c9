package agent

import (
	"testing"

	"github.com/davit-project/davit/manifests"
)

// TestADigestTellsManifestsApart sees a change of a secret too, which is never printed, and none when
// a file moves.
func TestADigestTellsManifestsApart(t *testing.T) {
	t.Parallel()
	digest := func(path, text string) string {
		t.Helper()
		set := manifests.Load([]manifests.File{{Path: path, Text: []byte(text)}}, manifests.Options{})
		if err := set.Diagnostics.Err(); err != nil {
			t.Fatal(err)
		}
		digest, err := digestOf(set)
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	const secret = "apiVersion: davit/v1\nkind: Secret\nmetadata: {name: login}\n"
	one := digest("/a.yaml", secret+"stringData: {password: one}\n")
	for name, text := range map[string]string{
		"another text":  "stringData: {password: two}\n",
		"another key":   "stringData: {pass: one}\n",
		"data in bytes": "data: {password: dHdv}\n",
	} {
		if digest("/a.yaml", secret+text) == one {
			t.Errorf("%s is not seen", name)
		}
	}
	if digest("/b.yaml", secret+"stringData: {password: one}\n") != one {
		t.Error("a file that moved is another set")
	}
}

package manifests

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	refusedKinds = regexp.MustCompile(`(?m)^# refused: (.*)$`)
	noKind       = regexp.MustCompile(`^kind: davit has no (\w+) \(`)
)

// TestForeignManifestsLoad loads what others write: homelabs, operators, charts, converters. Nothing of it is an error but the
// kinds that each file says are refused.
func TestForeignManifestsLoad(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../examples/foreign/*.yaml")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		set := Load([]File{{Path: file, Text: text}}, Options{})
		var want, got []string
		if match := refusedKinds.FindSubmatch(text); match != nil {
			want = strings.Fields(string(match[1]))
		}
		for _, diagnostic := range set.Diagnostics {
			if match := noKind.FindStringSubmatch(diagnostic.Text()); match != nil {
				got = append(got, match[1])
			} else {
				t.Errorf("%s", diagnostic)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
			t.Errorf("%s: refused kinds: %s", file, diff)
		}
	}
}

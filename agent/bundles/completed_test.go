package bundles

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/units/bundle"
)

// TestARecordIsPutAsideAndRecalled keeps the time at which the job ended, and can be done twice.
func TestARecordIsPutAsideAndRecalled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "migrate-1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	completed, _, err := records(dir)
	if err != nil {
		t.Fatal(err)
	}
	ended := completed["migrate-1"]
	check := func(from, to string, wantCompleted, wantAside []string) {
		t.Helper()
		for range 2 {
			if err := rename(dir, from, to); err != nil {
				t.Fatal(err)
			}
		}
		completed, aside, err := records(dir)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantCompleted, slices.Collect(maps.Keys(completed))); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(wantAside, slices.Collect(maps.Keys(aside))); diff != "" {
			t.Error(diff)
		}
		if at := completed["migrate-1"]; !at.IsZero() && !at.Equal(ended) {
			t.Errorf("ended at %s, was %s", at, ended)
		}
	}
	check("migrate-1", "migrate-1"+bundle.PutAside, nil, []string{"migrate-1"})
	check("migrate-1"+bundle.PutAside, "migrate-1", []string{"migrate-1"}, nil)
	check("migrate-1", "migrate-1"+bundle.PutAside, nil, []string{"migrate-1"})
	if err := forget(dir, "migrate-1"); err != nil {
		t.Fatal(err)
	}
	if completed, aside, err := records(dir); err != nil || len(completed)+len(aside) > 0 {
		t.Errorf("left: %v %v %v", completed, aside, err)
	}
}

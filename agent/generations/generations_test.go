package generations

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/history"
)

// begin keeps one generation more, of a workload of this version.
func begin(t *testing.T, s Store, version string) history.Generation {
	t.Helper()
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	desired := reconcile.Desired{Workloads: map[string]reconcile.Workload{
		"web.service": {Ref: v1.Ref{Kind: v1.KindContainer, Name: "web"}, UnitText: version},
	}}
	generation, err := s.Begin(list, desired, Origin{}, time.Unix(1, 0), func(*history.Generation) {})
	if err != nil {
		t.Fatal(err)
	}
	return generation
}

func numbers(t *testing.T, s Store) []int {
	t.Helper()
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int
	for _, generation := range list {
		numbers = append(numbers, generation.Number)
	}
	return numbers
}

func TestGenerationsAreNumberedAndKept(t *testing.T) {
	t.Parallel()
	s := In(filepath.Join(t.TempDir(), "generations"))
	for _, version := range []string{"one", "two", "two", "three", "one"} {
		begin(t, s, version)
	}
	if diff := cmp.Diff([]int{4, 3, 2, 1}, numbers(t, s)); diff != "" {
		t.Error(diff)
	}
	desired, err := s.Desired(2)
	if err != nil || desired.Workloads["web.service"].UnitText != "two" {
		t.Errorf("generation 2 is %v, %v", desired, err)
	}
	if err := s.Prune(2, map[int]bool{1: true}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{4, 3, 1}, numbers(t, s)); diff != "" {
		t.Error(diff)
	}
	if last := begin(t, s, "four"); last.Number != 5 {
		t.Errorf("got number %d", last.Number)
	}
}

// TestWhatIsDamagedIsLost checks that a generation that cannot be read is reported, and that the others stay usable;
// its number is not given again.
//
// fault: they are damaged
func TestWhatIsDamagedIsLost(t *testing.T) {
	t.Parallel()
	s := In(t.TempDir())
	begin(t, s, "one")
	begin(t, s, "two")
	if err := os.WriteFile(s.path(2, headFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := s.List()
	if err == nil || len(list) != 1 || list[0].Number != 1 {
		t.Errorf("got %v, %v", list, err)
	}
	generation, err := s.Begin(list, reconcile.Desired{}, Origin{}, time.Unix(1, 0), func(*history.Generation) {})
	if err != nil || generation.Number != 3 {
		t.Errorf("got %v, %v", generation, err)
	}
}

func TestPruneTidiesUp(t *testing.T) {
	t.Parallel()
	s := In(t.TempDir())
	begin(t, s, "one")
	for _, dir := range []string{".new-123", goneName} {
		if err := os.Mkdir(filepath.Join(s.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SetSuspended(map[string]time.Time{"Container/web": time.Unix(1, 0)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Prune(1, nil); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("left: %v, %v", entries, err)
	}
	decided, err := s.Decisions()
	if err != nil || len(decided.Suspended) != 1 || decided.Pin != nil {
		t.Errorf("decided %v, %v", decided, err)
	}
	if err := s.SetSuspended(nil); err != nil {
		t.Fatal(err)
	}
	if decided, err := s.Decisions(); err != nil || len(decided.Suspended) != 0 {
		t.Errorf("decided %v, %v", decided, err)
	}
}

// TestAListIsTheCallers changes a list, and writes a record meanwhile.
func TestAListIsTheCallers(t *testing.T) {
	t.Parallel()
	s := In(t.TempDir())
	begin(t, s, "one")
	first, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	first[0].Unconfirmed["Container/web"] = "changed by the caller"
	second, err := s.List()
	if err != nil || second[0].Unconfirmed["Container/web"] == "changed by the caller" {
		t.Errorf("the list is %v, %v", second, err)
	}
	second[0].Fail("Container/web", "it ended")
	if err := s.Finish(second[0]); err != nil {
		t.Fatal(err)
	}
	if third, err := s.List(); err != nil || third[0].Failed["Container/web"] != "it ended" {
		t.Errorf("the list is %v, %v", third, err)
	}
}

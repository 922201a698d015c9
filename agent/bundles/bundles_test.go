package bundles

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/units/bundle"
)

func ensure(t *testing.T, s Store, name, text string) {
	t.Helper()
	if err := s.EnsureBundle(t.Context(), name, []byte(text), nil); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, s Store) []string {
	t.Helper()
	found, err := s.list()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestABundleIsReadAsItWasWritten(t *testing.T) {
	s := Store{t.TempDir()}
	want := &bundle.Bundle{Spec: &specs.Spec{Version: "1.3.0"}, Launch: bundle.Launch{ID: "web", Object: "Container/web"}}
	text, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	ensure(t, s, bundle.DirName("web", text), string(text))
	if diff := cmp.Diff(want, new(Cache).read(s, bundle.DirName("web", text))); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyRootReadsABundle(t *testing.T) {
	s := Store{filepath.Join(t.TempDir(), "bundles")}
	ensure(t, s, "web-1", "text")
	for path, want := range map[string]fs.FileMode{"": 0o700, "web-1": 0o700, "web-1/config.json": 0o600} {
		info, err := os.Stat(filepath.Join(s.dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%q has mode %v, want %v", path, got, want)
		}
	}
}

func TestABundleThatIsThereIsNotRewritten(t *testing.T) {
	s := Store{t.TempDir()}
	ensure(t, s, "web-1", "text")
	before, err := os.Stat(filepath.Join(s.dir, "web-1"))
	if err != nil {
		t.Fatal(err)
	}
	ensure(t, s, "web-1", "text")
	after, err := os.Stat(filepath.Join(s.dir, "web-1"))
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) || len(names(t, s)) != 1 {
		t.Errorf("the bundle was written again: %q", names(t, s))
	}
}

func TestADamagedBundleIsReplaced(t *testing.T) {
	s := Store{t.TempDir()}
	ensure(t, s, "web-1", "text")
	path := filepath.Join(s.dir, "web-1", bundle.ConfigFile)
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if new(Cache).read(s, "web-1") != nil {
		t.Error("a damaged bundle was read")
	}
	ensure(t, s, "web-1", "text")
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "text" {
		t.Errorf("got %q (%v), want it whole", got, err)
	}
	if diff := cmp.Diff([]string{"web-1"}, names(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatAnInterruptedWriteLeftIsListedAndRemoved(t *testing.T) {
	s := Store{t.TempDir()}
	left := newPrefix + "123"
	if err := os.Mkdir(filepath.Join(s.dir, left), 0o700); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{left}, names(t, s)); diff != "" {
		t.Fatal(diff)
	}
	for range 2 {
		if err := s.RemoveBundle(t.Context(), left); err != nil {
			t.Fatal(err)
		}
	}
	if found := names(t, s); len(found) > 0 {
		t.Errorf("%q is still there", found)
	}
}

func TestNamesThatLeadElsewhereAreRefused(t *testing.T) {
	dir := t.TempDir()
	s := Store{filepath.Join(dir, "bundles")}
	ensure(t, s, "web-1", "text")
	for _, name := range []string{"", ".", "..", "../bundles", "/", "a/b", "web-1/.."} {
		if err := s.RemoveBundle(t.Context(), name); err == nil {
			t.Errorf("%q was removed", name)
		}
		if err := s.EnsureBundle(t.Context(), name, nil, nil); err == nil {
			t.Errorf("%q was written", name)
		}
	}
	if len(names(t, s)) != 1 {
		t.Errorf("got %q, want the one bundle", names(t, s))
	}
}

func TestNoBundlesIsNoError(t *testing.T) {
	if found := names(t, Store{filepath.Join(t.TempDir(), "missing")}); len(found) > 0 {
		t.Errorf("got %q", found)
	}
}

func TestABundleIsReadAgainOnceItsFileIsAnother(t *testing.T) {
	s, cache := Store{t.TempDir()}, Cache{}
	text := func(object string) string {
		text, err := (&bundle.Bundle{Spec: &specs.Spec{}, Launch: bundle.Launch{ID: "web", Object: object}}).Encode()
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	path := filepath.Join(s.dir, "web-1", bundle.ConfigFile)
	ensure(t, s, "web-1", text("Container/web"))
	first := cache.read(s, "web-1")
	if first == nil || cache.read(s, "web-1") != first {
		t.Fatalf("%v was read twice", first)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if damaged := cache.read(s, "web-1"); damaged != nil {
		t.Errorf("got %v of a damaged bundle", damaged)
	}
	ensure(t, s, "web-1", text("Container/other"))
	if again := cache.read(s, "web-1"); again == nil || again.Object != "Container/other" {
		t.Errorf("got %v, want the new one", again)
	}
	cache.Forget(nil)
	if len(cache.known) > 0 {
		t.Errorf("%d are known still", len(cache.known))
	}
}

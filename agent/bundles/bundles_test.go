package bundles

import (
	"bytes"
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
	if err := s.ensure(name, []byte(text), nil); err != nil {
		t.Fatal(err)
	}
}

func namesOf(t *testing.T, s Store) []string {
	t.Helper()
	found, err := s.list()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// ensureBundle leaves a bundle of the object on the disk, and returns it and its directory's name.
func ensureBundle(t *testing.T, s Store, object string) (*bundle.Bundle, string) {
	t.Helper()
	b := &bundle.Bundle{Spec: &specs.Spec{Version: "1.3.0"}, Launch: bundle.Launch{ID: "web", Object: object}}
	text, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	name := bundle.DirName("web", text)
	if err := s.EnsureBundle(t.Context(), name, b); err != nil {
		t.Fatal(err)
	}
	return b, name
}

func TestABundleIsReadAsItWasWritten(t *testing.T) {
	s := Store{t.TempDir()}
	want, name := ensureBundle(t, s, "Container/web")
	if diff := cmp.Diff(want, new(Cache).read(s, name)); diff != "" {
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
	if !os.SameFile(before, after) || len(namesOf(t, s)) != 1 {
		t.Errorf("the bundle was written again: %q", namesOf(t, s))
	}
}

func TestADamagedBundleIsReplaced(t *testing.T) {
	s := Store{t.TempDir()}
	_, name := ensureBundle(t, s, "Container/web")
	text, err := os.ReadFile(s.config(name))
	if err != nil {
		t.Fatal(err)
	}
	for damage, damaged := range map[string][]byte{
		"truncated":           nil,
		"another text":        bytes.Replace(text, []byte("1.3.0"), []byte("1.2.0"), 1),
		"the text of another": []byte("{}"),
	} {
		if err := os.WriteFile(s.config(name), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if new(Cache).look(s, name) != nil || new(Cache).read(s, name) != nil {
			t.Errorf("%s: a damaged bundle passes for a whole one", damage)
		}
		ensureBundle(t, s, "Container/web")
		got, err := os.ReadFile(s.config(name))
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s: got %q (%v), want it whole", damage, got, err)
		}
	}
	if diff := cmp.Diff([]string{name}, namesOf(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatAnInterruptedWriteLeftIsListedAndRemoved(t *testing.T) {
	s := Store{t.TempDir()}
	left := newPrefix + "123"
	if err := os.Mkdir(filepath.Join(s.dir, left), 0o700); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{left}, namesOf(t, s)); diff != "" {
		t.Fatal(diff)
	}
	for range 2 {
		if err := s.RemoveBundle(t.Context(), left); err != nil {
			t.Fatal(err)
		}
	}
	if found := namesOf(t, s); len(found) > 0 {
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
		if err := s.ensure(name, nil, nil); err == nil {
			t.Errorf("%q was written", name)
		}
	}
	if len(namesOf(t, s)) != 1 {
		t.Errorf("got %q, want the one bundle", namesOf(t, s))
	}
}

func TestNoBundlesIsNoError(t *testing.T) {
	if found := namesOf(t, Store{filepath.Join(t.TempDir(), "missing")}); len(found) > 0 {
		t.Errorf("got %q", found)
	}
}

func TestABundleIsReadAgainOnceItsFileIsAnother(t *testing.T) {
	s, cache := Store{t.TempDir()}, Cache{}
	_, name := ensureBundle(t, s, "Container/web")
	first := cache.read(s, name)
	if first == nil || cache.read(s, name) != first {
		t.Fatalf("%v was read twice", first)
	}
	if err := os.WriteFile(s.config(name), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if damaged := cache.read(s, name); damaged != nil {
		t.Errorf("got %v of a damaged bundle", damaged)
	}
	ensureBundle(t, s, "Container/web")
	if again := cache.read(s, name); again == nil || again == first {
		t.Errorf("got %v, want the new one", again)
	}
}

func TestABundleIsKeptWhileItIsAskedFor(t *testing.T) {
	s, cache := Store{t.TempDir()}, Cache{}
	_, asked := ensureBundle(t, s, "Container/asked")
	_, once := ensureBundle(t, s, "Container/once")
	_, gone := ensureBundle(t, s, "Container/gone")
	first := cache.read(s, asked)
	cache.read(s, once)
	cache.read(s, gone)
	for range 2 {
		cache.Forget([]string{asked, once})
		if again := cache.read(s, asked); again != first {
			t.Error("what is asked for time and again was read time and again")
		}
	}
	if k := cache.known[once]; k == nil || k.bundle != nil {
		t.Errorf("%v is known of what nobody asks for, want that it is whole and no more", k)
	}
	if k := cache.known[gone]; k != nil {
		t.Errorf("%v is known of what is not on the disk", k)
	}
}

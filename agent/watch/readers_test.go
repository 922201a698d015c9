package watch

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestWhoCanReadALinkedTree(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	if err := errors.Join(os.Chmod(base, 0o755), os.Chmod(filepath.Dir(base), 0o755)); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(base, "state/commits/1/a.yaml"), "a: b")
	link := filepath.Join(base, "current")
	if err := errors.Join(os.Chmod(base+"/state/commits/1/a.yaml", 0o644), os.Symlink("state/commits/1", link), os.Chmod(base+"/state", 0o700)); err != nil {
		t.Fatal(err)
	}
	tree, err := scanOnce(link, os.Geteuid())
	if err != nil || len(tree.Files) != 1 || tree.Files[0].Readers != "" {
		t.Errorf("%+v, %v", tree.Files, err)
	}
}

// TestWhoCanReadAManifest needs root to give files away.
func TestWhoCanReadAManifest(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	base := t.TempDir()
	for name, test := range map[string]struct {
		change func(dir string) error
		want   string
	}{
		"everybody":         {func(string) error { return nil }, "everybody"},
		"a file of root's":  {func(dir string) error { return os.Chmod(dir+"/apps/a.yaml", 0o600) }, ""},
		"of the group root": {func(dir string) error { return os.Chmod(dir+"/apps/a.yaml", 0o640) }, ""},
		"of a group": {func(dir string) error {
			return errors.Join(os.Chmod(dir+"/apps/a.yaml", 0o640), os.Chown(dir+"/apps/a.yaml", 0, 1000))
		}, "a group"},
		"in a directory of root's":     {func(dir string) error { return os.Chmod(dir+"/apps", 0o700) }, ""},
		"in a tree of root's":          {func(dir string) error { return os.Chmod(dir, 0o700) }, ""},
		"in a tree of a group":         {func(dir string) error { return errors.Join(os.Chmod(dir, 0o750), os.Chown(dir, 0, 1000)) }, "a group"},
		"below a directory of root's":  {func(dir string) error { return os.Chmod(filepath.Dir(dir), 0o700) }, ""},
		"in a directory without names": {func(dir string) error { return os.Chmod(dir+"/apps", 0o711) }, "everybody"},
	} {
		dir := filepath.Join(base, name, "manifests")
		write(t, filepath.Join(dir, "apps/a.yaml"), "a: b")
		if err := errors.Join(os.Chmod(dir+"/apps/a.yaml", 0o644), os.Chmod(base, 0o755), os.Chmod(filepath.Dir(base), 0o755)); err != nil {
			t.Fatal(err)
		}
		before, err := scanOnce(dir, 0)
		if err != nil || len(before.Files) != 1 {
			t.Fatal(before.Files, err)
		}
		if err := test.change(dir); err != nil {
			t.Fatal(err)
		}
		tree, err := scanOnce(dir, 0)
		if err != nil || len(tree.Files) != 1 || tree.Files[0].Readers != test.want {
			t.Errorf("%s: %+v, %v", name, tree.Files, err)
		}
		if (tree.Fingerprint == before.Fingerprint) != (test.want == "everybody") {
			t.Errorf("%s: the fingerprint does not tell who can read the tree", name)
		}
	}
}

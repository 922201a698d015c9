package watch

import (
	"os"
	"path/filepath"
	"testing"
)

// TestWhoCanWriteATree needs root to give files away.
func TestWhoCanWriteATree(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	base := t.TempDir() // below /tmp, which is sticky
	for name, test := range map[string]struct {
		change func(dir string) error
		want   string
	}{
		"root alone":            {func(string) error { return nil }, ""},
		"an owner":              {func(dir string) error { return os.Chown(dir, 1000, 0) }, "user 1000"},
		"a group":               {func(dir string) error { return os.Chmod(dir, 0o775) }, "group 0"},
		"everybody":             {func(dir string) error { return os.Chmod(dir, 0o777) }, "everybody"},
		"everybody, but sticky": {func(dir string) error { return os.Chmod(dir, 0o777|os.ModeSticky) }, "everybody"},
		"an owner of a file":    {func(dir string) error { return os.Chown(dir+"/apps/a.yaml", 1000, 0) }, "user 1000"},
		"a group of a file":     {func(dir string) error { return os.Chmod(dir+"/apps/a.yaml", 0o664) }, "group 0"},
		"a directory inside":    {func(dir string) error { return os.Chown(dir+"/apps", 1000, 0) }, "user 1000"},
		"the directory above":   {func(dir string) error { return os.Chown(filepath.Dir(dir), 1000, 0) }, "user 1000"},
		"what is no manifest":   {func(dir string) error { return os.Chown(dir+"/notes.txt", 1000, 0) }, ""},
		"what is hidden":        {func(dir string) error { return os.Chown(dir+"/.git", 1000, 0) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(base, name, "manifests")
			for _, file := range []string{"apps/a.yaml", "notes.txt", ".git/b.yaml"} {
				write(t, filepath.Join(dir, file), "a: b")
			}
			before, err := scanOnce(dir, 1000)
			if err != nil || before.Writable != "" {
				t.Fatal(before.Writable, err)
			}
			if err := test.change(dir); err != nil {
				t.Fatal(err)
			}
			tree, err := scanOnce(dir, 1000)
			if err != nil || tree.Writable != test.want {
				t.Errorf("got %q, want %q, %v", tree.Writable, test.want, err)
			}
			if (tree.Fingerprint == before.Fingerprint) != (test.want == "") {
				t.Error("the fingerprint does not tell who can write the tree")
			}
		})
	}
}

func TestWhoCanWriteALinkedTree(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	base := t.TempDir()
	write(t, filepath.Join(base, "store", "commit", "a.yaml"), "a: b")
	for link, target := range map[string]string{"current": "store/commit", "absolute": base + "/store/commit/.", "up": "store/../store/commit", "loop": "loop"} {
		if err := os.Symlink(target, filepath.Join(base, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range []string{"current", "absolute", "up"} {
		if who, err := writableBy(filepath.Join(base, link)); who != "" || err != nil {
			t.Errorf("%s: %q %v", link, who, err)
		}
	}
	if _, err := writableBy(filepath.Join(base, "loop")); err == nil {
		t.Error("a loop has an end")
	}
	if err := os.Chown(filepath.Join(base, "store"), 1000, 0); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{"current", "absolute", "up"} {
		if who, err := writableBy(filepath.Join(base, link)); who != "user 1000" || err != nil {
			t.Errorf("%s: %q %v", link, who, err)
		}
	}
	if err := os.Lchown(filepath.Join(base, "loop"), 1000, 0); err != nil {
		t.Fatal(err)
	}
	if who, err := writableBy(filepath.Join(base, "loop")); who != "user 1000" || err != nil {
		t.Errorf("a link of another user's: %q %v", who, err)
	}
}

package watch

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestAScannerSeesEachChangeOfWhatItRemembers(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(file string) error{
		"written in place, as long as before": func(file string) error {
			return os.WriteFile(file, []byte("b: 2\n"), 0o644)
		},
		"and with the old time": func(file string) error {
			before, err := os.Stat(file)
			if err == nil {
				err = os.WriteFile(file, []byte("b: 2\n"), 0o644)
			}
			if err == nil {
				err = os.Chtimes(file, time.Time{}, before.ModTime())
			}
			return err
		},
		"another file renamed over it": func(file string) error {
			other := filepath.Join(filepath.Dir(file), ".new")
			if err := os.WriteFile(other, []byte("b: 2\n"), 0o644); err != nil {
				return err
			}
			return os.Rename(other, file)
		},
		"everybody may write it": func(file string) error { return os.Chmod(file, 0o646) },
		"removed":                os.Remove,
		"renamed":                func(file string) error { return os.Rename(file, file+".yaml") },
		"a directory in its place": func(file string) error {
			if err := os.Remove(file); err != nil {
				return err
			}
			return os.Mkdir(file, 0o755)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			file := filepath.Join(root, "a.yaml")
			if err := os.WriteFile(file, []byte("a: 1\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			scanner := &Scanner{Roots: Roots{Main: root, All: []string{root}}, Owner: -1}
			scanner.memory.clock = func() time.Time { return time.Now().Add(time.Hour) } // all is old
			scan := func() Tree {
				t.Helper()
				tree, err := scanner.Scan()
				if err != nil {
					t.Fatal(err)
				}
				return tree
			}
			first := scan()
			if _, ok := scanner.memory.before[file]; !ok {
				t.Fatal("the file is not remembered")
			}
			again := scan()
			if &again.Files[0].Text[0] != &first.Files[0].Text[0] || again.Fingerprint != first.Fingerprint {
				t.Error("what was not changed was read again, or looks different")
			}
			if err := change(file); err != nil {
				t.Fatal(err)
			}
			changed := scan()
			if changed.Fingerprint == first.Fingerprint {
				t.Error("the change was not seen")
			}
			if fresh, err := scanOnce(root, -1); err != nil || fresh.Fingerprint != changed.Fingerprint {
				t.Errorf("who remembers nothing sees something else: %v", err)
			}
		})
	}
}

func TestWhatWasJustWrittenIsNotRemembered(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.yaml"), []byte("a: 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	scanner := &Scanner{Roots: Roots{Main: root, All: []string{root}}, Owner: -1}
	if _, err := scanner.Scan(); err != nil {
		t.Fatal(err)
	}
	if len(scanner.memory.before) > 0 {
		t.Error("a second write could have the same time")
	}
}

package watch

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// write writes a file that only its owner may write, and its directory.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// scanOnce reads all manifests below a root, as user owner may write them.
func scanOnce(root string, owner int) (Tree, error) {
	return (&Scanner{Roots: Roots{Main: root, All: []string{root}}, Owner: owner}).Scan()
}

func TestScan(t *testing.T) {
	t.Parallel()
	const secret = "S3CR3T"
	base := t.TempDir()
	root := filepath.Join(base, "manifests")
	for _, name := range []string{
		"a.yaml", "apps/web/b.yml", ".hidden.yaml", ".git/c.yaml", "d.yaml~", "e.yaml.bak", ".f.yaml.swp", "g.txt", "notes.json", "nested/c.txt",
	} {
		write(t, filepath.Join(root, name), "a: b")
	}
	write(t, filepath.Join(base, "shadow"), secret)
	write(t, filepath.Join(root, "open.yaml"), "a: b")
	if err := os.Chmod(filepath.Join(root, "open.yaml"), 0o666); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "large.yaml"), strings.Repeat("x", maxFileSize+1))
	for link, target := range map[string]string{
		"link.yaml": filepath.Join(base, "shadow"), "dir": base, "loop.yaml": "loop.yaml", "inside.yaml": "a.yaml",
		"dangling": "nowhere", "README": "notes.json", ".hidden": base, "nested/back": "../apps",
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"fifo.yaml", "pipe", ".fifo"} {
		if err := unix.Mkfifo(filepath.Join(root, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(root, "socket")})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()

	tree, err := scanOnce(root, -1)
	if err != nil {
		t.Fatal(err)
	}
	var files, problems []string
	for _, file := range tree.Files {
		files = append(files, strings.TrimPrefix(file.Path, root+"/"))
	}
	for _, problem := range tree.Problems {
		problems = append(problems, strings.TrimPrefix(problem.File, root+"/"))
		if strings.Contains(problem.String(), secret) {
			t.Errorf("a problem tells a secret: %v", problem)
		}
	}
	if diff := cmp.Diff([]string{"a.yaml", "apps/web/b.yml"}, files); diff != "" {
		t.Error(diff)
	}
	want := []string{
		"dangling", "dir", "fifo.yaml", "inside.yaml", "large.yaml", "link.yaml", "loop.yaml", "nested/back", "open.yaml", "pipe", "socket",
	}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Error(diff)
	}
}

func TestAKustomizationBringsAllItsFiles(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, name := range []string{
		"app/a.conf", "app/kustomization.yaml", "app/files/index.html", "app/.env", "apple/b.conf", "c.conf", "z/Kustomization",
	} {
		write(t, filepath.Join(root, name), "")
	}
	tree, err := scanOnce(root, -1)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range tree.Files {
		names = append(names, file.Name)
	}
	if diff := cmp.Diff([]string{"app/a.conf", "app/files/index.html", "app/kustomization.yaml", "z/Kustomization"}, names); diff != "" {
		t.Error(diff)
	}
}

// fault: the directory is empty, gone or unreadable
func TestMissingDirectoryIsAnErrorNotAnEmptyTree(t *testing.T) {
	t.Parallel()
	if tree, err := scanOnce(filepath.Join(t.TempDir(), "nothing"), -1); err == nil {
		t.Errorf("got %+v", tree)
	}
}

func TestFingerprintFollowsNamesAndContent(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	print := func() string {
		tree, err := scanOnce(root, -1)
		if err != nil {
			t.Fatal(err)
		}
		return tree.Fingerprint
	}
	seen := map[string]bool{print(): true}
	for _, change := range []func() error{
		func() error { return os.WriteFile(filepath.Join(root, "a.yaml"), []byte("a"), 0o644) },
		func() error { return os.WriteFile(filepath.Join(root, "a.yaml"), []byte("b"), 0o644) },
		func() error { return os.Rename(filepath.Join(root, "a.yaml"), filepath.Join(root, "c.yaml")) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if got := print(); seen[got] {
			t.Error("a change left the fingerprint as it was")
		} else {
			seen[got] = true
		}
	}
	before := print()
	write(t, filepath.Join(root, "note.txt"), "x")
	if print() != before {
		t.Error("a file that is no manifest changed the fingerprint")
	}
}

func TestWatcherSeesChanges(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	root := filepath.Join(base, "current")
	write(t, filepath.Join(base, "one", "a.yaml"), "a")
	write(t, filepath.Join(base, "two", "sub", "a.yaml"), "a")
	watcher, err := New(root)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		watcher.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	for _, step := range []struct {
		name   string
		change func() error
	}{
		{"the root appears", func() error { return os.Symlink("one", root) }},
		{"a file is written", func() error { return os.WriteFile(filepath.Join(base, "one", "b.yaml"), nil, 0o644) }},
		{"a directory appears", func() error { return os.Mkdir(filepath.Join(base, "one", "new"), 0o755) }},
		{"a file in it is written", func() error { return os.WriteFile(filepath.Join(base, "one", "new", "c.yaml"), nil, 0o644) }},
		{"the root is switched", func() error {
			if err := os.Symlink("two", root+".new"); err != nil {
				return err
			}
			return os.Rename(root+".new", root)
		}},
		{"a file below the new root", func() error { return os.WriteFile(filepath.Join(base, "two", "sub", "d.yaml"), nil, 0o644) }},
	} {
		awaitChange(t, watcher, step.name, step.change)
	}
}

// awaitChange makes a change and waits until the watcher tells, and has gone quiet.
func awaitChange(t *testing.T, watcher *Watcher, name string, change func() error) {
	t.Helper()
	if err := change(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-watcher.Changes():
	case err := <-watcher.Errors():
		t.Fatalf("%s: %v", name, err)
	case <-time.After(10 * time.Second):
		t.Fatalf("%s was not seen", name)
	}
	for {
		select {
		case <-watcher.Changes():
		case <-time.After(100 * time.Millisecond):
			return
		}
	}
}

func TestHigherRootsHideLowerFiles(t *testing.T) {
	t.Parallel()
	run, etc, usr := t.TempDir(), t.TempDir(), t.TempDir()
	put := func(dir, name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(usr, "a.yaml", "usr a")
	put(usr, "sub/b.yaml", "usr b")
	put(usr, "c.yaml", "usr c")
	put(usr, "d.yaml", "usr d")
	put(etc, "a.yaml", "etc a")
	put(etc, "c.yaml", "")
	if err := os.Symlink("/dev/null", filepath.Join(etc, "d.yaml")); err != nil {
		t.Fatal(err)
	}
	put(run, "sub/b.yaml", "run b")
	roots := Roots{Main: etc, All: []string{run, filepath.Join(run, "missing"), etc, usr}}
	tree, err := (&Scanner{Roots: roots, Owner: os.Getuid()}).Scan()
	if err != nil || len(tree.Problems) > 0 {
		t.Fatal(err, tree.Problems)
	}
	got := map[string]string{}
	for _, file := range tree.Files {
		got[file.Name] = string(file.Text)
	}
	want := map[string]string{"a.yaml": "etc a", "sub/b.yaml": "run b", "c.yaml": "", "d.yaml": ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	roots.Main = filepath.Join(run, "missing")
	if _, err := (&Scanner{Roots: roots, Owner: os.Getuid()}).Scan(); err == nil {
		t.Error("a main root that is missing is no error")
	}
}

// TestASwitchedTreeIsNotMixed reads a tree that a link leads to, while the link is switched between two
// a thousand times: each look sees one of them.
//
// fault: the tree is switched a thousand times | each look sees one tree, whole
func TestASwitchedTreeIsNotMixed(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	for _, tree := range []string{"one", "two"} {
		for i := range 20 {
			write(t, filepath.Join(base, tree, fmt.Sprintf("apps/%02d.yaml", i)), tree)
		}
	}
	link, next := filepath.Join(base, "current"), filepath.Join(base, "next")
	if err := os.Symlink("one", link); err != nil {
		t.Fatal(err)
	}
	switched := make(chan error, 1)
	go func() {
		for i := range 1000 {
			err := os.Symlink([]string{"two", "one"}[i%2], next)
			if err == nil {
				err = os.Rename(next, link)
			}
			if err != nil {
				switched <- err
				return
			}
		}
		switched <- nil
	}()
	for looks := 0; ; looks++ {
		tree, err := scanOnce(link, os.Getuid())
		if err != nil || len(tree.Files) != 20 {
			t.Fatalf("look %d: %d files, %v", looks, len(tree.Files), err)
		}
		for _, file := range tree.Files {
			if string(file.Text) != string(tree.Files[0].Text) {
				t.Fatalf("look %d has files of both trees", looks)
			}
		}
		select {
		case err := <-switched:
			if err != nil || looks == 0 {
				t.Errorf("after %d looks: %v", looks, err)
			}
			return
		default:
		}
	}
}

func TestATreeIsUnfinishedWhileAFileIsOpenForWriting(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, filepath.Join(root, "a.yaml"), "a: b")
	// A program that another test starts has the file open, too, until it is that program.
	await := func(want bool) {
		t.Helper()
		for deadline := time.Now().Add(5 * time.Second); ; {
			tree, err := scanOnce(root, -1)
			if err != nil || len(tree.Files) != 1 {
				t.Fatalf("%+v, %v", tree, err)
			}
			if tree.Unfinished == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("unfinished is not %t", want)
			}
		}
	}
	await(false)
	file, err := os.OpenFile(filepath.Join(root, "a.yaml"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	await(true)
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	await(false)
}

func TestATreeIsUnfinishedWhileGitChecksItOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root := filepath.Join(dir, "manifests")
	write(t, filepath.Join(root, "a.yaml"), "a: b")
	write(t, filepath.Join(dir, ".git", "HEAD"), strings.Repeat("0123456789", 4)+"\n")
	for _, busy := range []bool{false, true} {
		if busy {
			write(t, filepath.Join(dir, ".git", "index.lock"), "")
		}
		if tree, err := scanOnce(root, -1); err != nil || tree.Unfinished != busy {
			t.Errorf("busy %t: %t, %v", busy, tree.Unfinished, err)
		}
	}
}

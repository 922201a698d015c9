package transfer

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// hostile is a container's file system beside a canary of the node's: its root, and the directory
// outside.
func hostile(t *testing.T) (p *Place, root, outside string) {
	t.Helper()
	dir := t.TempDir()
	root, outside = filepath.Join(dir, "container"), filepath.Join(dir, "node")
	for path, text := range map[string]string{
		root + "/etc/file": "inside", root + "/tree/file": "inside", root + "/tree/sub/deep": "deep", outside + "/file": "canary",
	} {
		write(t, path, text)
	}
	handle, err := os.OpenFile(root, unix.O_PATH, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { handle.Close() })
	return &Place{root: handle, uid: os.Geteuid(), gid: os.Getegid()}, root, outside
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func ignore(string, string) {}

func TestLinksOfAContainerStayInside(t *testing.T) {
	t.Parallel()
	p, root, outside := hostile(t)
	for name, target := range map[string]string{
		"absolute": outside + "/file", "up": "../../../../../../../.." + outside + "/file", "magic": "/proc/self/root" + outside + "/file",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
		err := Copy(p, "/"+name, &Place{}, filepath.Join(t.TempDir(), "out"), Options{Skipped: ignore})
		if err == nil {
			t.Errorf("%s leads outside", name)
		}
	}
	if err := os.Symlink("/etc/file", filepath.Join(root, "fine")); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	if err := Copy(p, "fine", &Place{}, out, Options{Skipped: ignore}); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(out); err != nil || string(text) != "inside" {
		t.Errorf("the link of the container leads to %q, %v", text, err)
	}
}

// TestATreeThatChangesWhileItIsCopied exchanges a directory and a file for links to the node.
func TestATreeThatChangesWhileItIsCopied(t *testing.T) {
	t.Parallel()
	p, root, outside := hostile(t)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			for path, target := range map[string]string{root + "/tree/sub": outside, root + "/tree/file": outside + "/file"} {
				_ = os.Rename(path, root+"/kept")
				_ = os.Symlink(target, path)
				_ = os.Remove(path)
				_ = os.Rename(root+"/kept", path)
			}
		}
	}()
	for range 300 {
		var stream bytes.Buffer
		// It may miss files that were away; it must not show files that were not the container's.
		_ = Pack(p, "/tree", &stream, Options{Skipped: ignore})
		if strings.Contains(stream.String(), "canary") {
			t.Fatal("the node's file was copied")
		}
		stream.Reset()
		_ = Pack(p, "/tree/file", &stream, Options{Skipped: ignore})
		if strings.Contains(stream.String(), "canary") {
			t.Fatal("the node's file was copied")
		}
	}
	close(stop)
	<-stopped
}

// archive makes a tar stream.
func archive(t *testing.T, entries ...tar.Header) io.Reader {
	t.Helper()
	var stream bytes.Buffer
	w := tar.NewWriter(&stream)
	for _, header := range entries {
		text := "canary"
		if header.Typeflag == tar.TypeReg {
			header.Size = int64(len(text))
		}
		header.Mode |= 0o644
		if err := w.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &stream
}

func TestHostileStreamsStayBelowTheirDirectory(t *testing.T) {
	t.Parallel()
	for name, entries := range map[string][]tar.Header{
		"upwards":               {{Typeflag: tar.TypeReg, Name: "../../dropped"}},
		"absolute":              {{Typeflag: tar.TypeReg, Name: "/dropped"}},
		"through a link":        {{Typeflag: tar.TypeSymlink, Name: "l", Linkname: "../"}, {Typeflag: tar.TypeReg, Name: "l/dropped"}},
		"through links":         {{Typeflag: tar.TypeSymlink, Name: "a", Linkname: "."}, {Typeflag: tar.TypeSymlink, Name: "a/b", Linkname: ".."}, {Typeflag: tar.TypeReg, Name: "a/b/dropped"}},
		"over a link":           {{Typeflag: tar.TypeSymlink, Name: "l", Linkname: "../file"}, {Typeflag: tar.TypeReg, Name: "l"}},
		"by another name":       {{Typeflag: tar.TypeLink, Name: "l", Linkname: "../file"}, {Typeflag: tar.TypeReg, Name: "l"}},
		"a link's other name":   {{Typeflag: tar.TypeSymlink, Name: "l", Linkname: "../file"}, {Typeflag: tar.TypeLink, Name: "m", Linkname: "l"}, {Typeflag: tar.TypeReg, Name: "m"}},
		"a directory by a link": {{Typeflag: tar.TypeSymlink, Name: "l", Linkname: ".."}, {Typeflag: tar.TypeDir, Name: "l"}, {Typeflag: tar.TypeReg, Name: "l/dropped"}},
		"a device":              {{Typeflag: tar.TypeChar, Name: "null", Devmajor: 1, Devminor: 3}, {Typeflag: tar.TypeFifo, Name: "pipe"}},
	} {
		dir := t.TempDir()
		write(t, dir+"/file", "mine")
		write(t, dir+"/to/here", "")
		// Some are refused, others have a harmless effect.
		_ = Unpack(archive(t, entries...), &Place{}, dir+"/to", Options{Skipped: ignore})
		names, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(dir + "/file"); len(names) != 2 || string(text) != "mine" || err != nil {
			t.Errorf("%s: %v, %q, %v", name, names, text, err)
		}
		err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if entry.Type()&(fs.ModeDevice|fs.ModeNamedPipe) != 0 {
				t.Errorf("%s: made %s", name, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatLandsOnTheNodeDoesNotRunAsRoot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	entries := []tar.Header{{Typeflag: tar.TypeReg, Name: "shell", Mode: 0o6755}, {Typeflag: tar.TypeDir, Name: "dir", Mode: 0o3755}}
	if err := Unpack(archive(t, entries...), &Place{}, dir, Options{Skipped: ignore}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"shell", "dir"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode()&^fs.ModeDir != 0o755 {
			t.Errorf("%s: mode %v", name, info.Mode())
		}
	}
}

func TestWhereACopyGoes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source, destination string
		want                []string // nil is an error
	}{
		"a file into a directory":         {"/tree/file", "dir", []string{"dir/file"}},
		"a file to a new name":            {"/tree/file", "new", []string{"new"}},
		"a file over another":             {"/tree/file", "old", []string{"old"}},
		"a file below nothing":            {"/tree/file", "no/where", nil},
		"a file to a missing directory":   {"/tree/file", "no/", nil},
		"a directory into another":        {"/tree", "dir", []string{"dir/tree/file", "dir/tree/sub/deep"}},
		"a directory to a new name":       {"/tree", "new", []string{"new/file", "new/sub/deep"}},
		"a directory to a new directory":  {"/tree", "new/", []string{"new/file", "new/sub/deep"}},
		"what is in a directory":          {"/tree/.", "dir", []string{"dir/file", "dir/sub/deep"}},
		"a directory over a file":         {"/tree", "old", nil},
		"a file into a file's directory":  {"/tree/file", "old/", nil},
		"nothing":                         {"/nothing", "new", nil},
		"a directory beside where it was": {"/tree/../tree", "dir/", []string{"dir/tree/file", "dir/tree/sub/deep"}},
	} {
		p, _, _ := hostile(t)
		dir := t.TempDir()
		write(t, dir+"/old", "old")
		write(t, dir+"/dir/.keep", "")
		err := Copy(p, test.source, &Place{}, dir+"/"+test.destination, Options{Skipped: ignore})
		if (err == nil) != (test.want != nil) {
			t.Errorf("%s: %v", name, err)
		}
		for _, path := range test.want {
			text, err := os.ReadFile(filepath.Join(dir, path))
			if err != nil || string(text) != "inside" && string(text) != "deep" {
				t.Errorf("%s: %q, %v", name, text, err)
			}
		}
	}
}

// It counts allocations, so no other test may run beside it.
func TestBigFilesCostNoMemoryAndKeepTheirHoles(t *testing.T) {
	source, out := filepath.Join(t.TempDir(), "sparse"), filepath.Join(t.TempDir(), "out")
	write(t, source, "begin")
	if err := os.Truncate(source, 64<<20); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := Copy(&Place{}, source, &Place{}, out, Options{Skipped: ignore}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 4<<20 {
		t.Errorf("%d bytes allocated", allocated)
	}
	info, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	if used := info.Sys().(*syscall.Stat_t).Blocks * 512; info.Size() != 64<<20 || used > 1<<20 {
		t.Errorf("size %d, on the disk %d", info.Size(), used)
	}
}

func TestSkippedEntriesAreNamed(t *testing.T) {
	t.Parallel()
	p, root, _ := hostile(t)
	if err := unix.Mkfifo(filepath.Join(root, "tree", "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	var skipped []string
	note := func(name, _ string) { skipped = append(skipped, name) }
	if err := Pack(p, "tree", io.Discard, Options{Skipped: note}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"tree/pipe"}, skipped); diff != "" {
		t.Error(diff)
	}
	if err := Pack(p, "tree/pipe", io.Discard, Options{Skipped: note}); err == nil {
		t.Error("a pipe is copied")
	}
}

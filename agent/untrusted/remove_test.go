package untrusted

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// nest makes directories in each other, with a file in each.
func nest(t *testing.T, dir string, depth int) {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_PATH, 0)
	for range depth {
		next := -1
		if err == nil {
			err = errors.Join(unix.Mkdirat(fd, "deeper", 0o700), unix.Mknodat(fd, "file", unix.S_IFREG|0o600, 0))
		}
		if err == nil {
			next, err = unix.Openat(fd, "deeper", unix.O_PATH, 0)
		}
		unix.Close(fd)
		fd = next
	}
	unix.Close(fd)
	if err != nil {
		t.Fatal(err)
	}
}

// mustBeGone fails if anything of the tree is left, or outside was touched.
func mustBeGone(t *testing.T, dir, outside string) {
	t.Helper()
	if err := RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", dir, err)
	}
	if left, err := os.ReadFile(outside); err != nil || string(left) != "kept" {
		t.Errorf("what is outside was touched: %q, %v", left, err)
	}
}

func TestAllIsRemoved(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(t *testing.T, dir, outside string) error{
		"nothing":            func(*testing.T, string, string) error { return nil },
		"a file":             func(_ *testing.T, dir, _ string) error { return os.WriteFile(dir, nil, 0o600) },
		"a link":             func(_ *testing.T, dir, outside string) error { return os.Symlink(filepath.Dir(outside), dir) },
		"an empty directory": func(_ *testing.T, dir, _ string) error { return os.Mkdir(dir, 0) },
		"links that lead out": func(_ *testing.T, dir, outside string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.Symlink(outside, dir+"/file"), os.Symlink(filepath.Dir(outside), dir+"/dir"), os.Link(outside, dir+"/same"))
		},
		"a pipe": func(_ *testing.T, dir, _ string) error {
			return errors.Join(os.Mkdir(dir, 0o700), unix.Mkfifo(dir+"/pipe", 0o600))
		},
		"more than is read at once": func(_ *testing.T, dir, _ string) (err error) {
			for i := range 3 * someNames {
				err = errors.Join(err, os.MkdirAll(fmt.Sprintf("%s/%d/%d", dir, i, i), 0o700))
			}
			return err
		},
		"directories deeper than descriptors and paths reach": func(t *testing.T, dir, _ string) error {
			err := os.Mkdir(dir, 0o700)
			nest(t, dir, 20*removeDepth)
			return err
		},
		"many deep ones beside each other": func(t *testing.T, dir, _ string) (err error) {
			for i := range 50 {
				below := fmt.Sprintf("%s/%d", dir, i)
				err = errors.Join(err, os.MkdirAll(below, 0o700))
				nest(t, below, 2*removeDepth+i)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, outside := filepath.Join(t.TempDir(), "dir"), filepath.Join(t.TempDir(), "outside")
			if err := errors.Join(os.WriteFile(outside, []byte("kept"), 0o600), make(t, dir, outside)); err != nil {
				t.Fatal(err)
			}
			mustBeGone(t, dir, outside)
		})
	}
}

// TestRemovingTakesFewDescriptors nests directories deeper than this process may have files open, in a process of its own.
func TestRemovingTakesFewDescriptors(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = 4 * removeDepth
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	}()
	dir, outside := filepath.Join(t.TempDir(), "dir"), filepath.Join(t.TempDir(), "outside")
	if err := errors.Join(os.WriteFile(outside, []byte("kept"), 0o600), os.Mkdir(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	nest(t, dir, 10000)
	mustBeGone(t, dir, outside)
}

func TestWhatIsMountedStays(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("mounting needs root")
	}
	dir, outside := filepath.Join(t.TempDir(), "dir"), t.TempDir()
	below := filepath.Join(dir, "a", "mounted")
	if err := errors.Join(os.MkdirAll(below, 0o700), os.WriteFile(filepath.Join(outside, "file"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with its mounts
		err := errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount(outside, below, "", unix.MS_BIND, ""))
		if err == nil {
			err = RemoveAll(dir)
		}
		done <- err
	}()
	if err := <-done; !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EXDEV) {
		t.Errorf("removed what is mounted: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(outside, "file")); err != nil {
		t.Error(err)
	}
}

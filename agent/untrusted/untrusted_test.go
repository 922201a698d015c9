package untrusted

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/testnode"
)

// soon is far less than the time after which the kernel takes a lease away.
const soon = 10 * time.Second

// lease holds a lease on a file until it is called.
func lease(t *testing.T, path string, kind int) (release func()) {
	t.Helper()
	flags := unix.O_RDONLY
	if kind == unix.F_WRLCK {
		flags = unix.O_RDWR
	}
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	testnode.SetLease(t, uintptr(fd), kind)
	return func() { unix.Close(fd) }
}

// hostile is a directory with entries that a container can put where files are expected.
func hostile(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"file", "read-leased", "write-leased"} {
		if err := os.WriteFile(at(name), []byte("text"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	if err := errors.Join(os.Mkdir(at("dir"), 0o755), unix.Mkfifo(at("fifo"), 0o644), os.Symlink("file", at("link"))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lease(t, at("read-leased"), unix.F_RDLCK))
	t.Cleanup(lease(t, at("write-leased"), unix.F_WRLCK))
	return dir
}

// within fails when f takes as long as a container wants it to.
func within(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(soon):
		t.Fatal("it waits for the container")
	}
}

func TestNothingWaits(t *testing.T) {
	t.Parallel()
	dir := hostile(t)
	for name, want := range map[string]struct{ read, write error }{
		"file":         {nil, nil},
		"dir":          {nil, unix.EISDIR},
		"missing":      {fs.ErrNotExist, fs.ErrNotExist},
		"link":         {unix.ELOOP, unix.ELOOP},
		"fifo":         {ErrNoFile, ErrNoFile},
		"socket":       {ErrNoFile, ErrNoFile},
		"read-leased":  {nil, ErrLeased},
		"write-leased": {ErrLeased, ErrLeased},
	} {
		for flags, want := range map[int]error{unix.O_RDONLY: want.read, unix.O_WRONLY: want.write} {
			within(t, func() {
				file, err := Open(filepath.Join(dir, name), flags)
				if !errors.Is(err, want) || (err == nil) != (want == nil) {
					t.Errorf("open %s: %v, want %v", name, err, want)
				}
				file.Close()
			})
			within(t, func() { reopen(t, dir, name, flags, want) })
		}
	}
}

// reopen opens a name by a handle. That of a link is one of its target.
func reopen(t *testing.T, dir, name string, flags int, want error) {
	if name == "link" {
		want = nil
	}
	handle, err := Handle(filepath.Join(dir, name))
	if err == nil {
		defer handle.Close()
		var file *os.File
		file, err = Reopen(handle, flags)
		file.Close()
	}
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Errorf("reopen %s: %v, want %v", name, err, want)
	}
}

func TestOnlyDirectoriesAreRoots(t *testing.T) {
	t.Parallel()
	dir := hostile(t)
	for name, good := range map[string]bool{"dir": true, "file": false, "fifo": false, "socket": false} {
		within(t, func() {
			handle, err := Handle(filepath.Join(dir, name))
			if err != nil {
				t.Error(err)
				return
			}
			defer handle.Close()
			root, err := ReopenRoot(handle)
			if (err == nil) != good {
				t.Errorf("%s: %v", name, err)
			}
			if err == nil {
				root.Close()
			}
		})
	}
}

func TestReadsStayBelowTheRoot(t *testing.T) {
	t.Parallel()
	dir := hostile(t)
	outside := filepath.Join(t.TempDir(), "canary")
	if err := errors.Join(os.WriteFile(outside, nil, 0o600), os.Symlink(outside, filepath.Join(dir, "out"))); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{"file": nil, "link": nil, "fifo": ErrNoFile, "write-leased": ErrLeased, "out": fs.ErrNotExist} {
		within(t, func() {
			file, err := OpenBelow(dir, name)
			if !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
			file.Close()
		})
	}
}

func TestALeaseThatIsGivenUpIsWaitedFor(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	release := lease(t, path, unix.F_WRLCK)
	attempts := 0
	file, err := Patiently(func() (*os.File, error) {
		if attempts++; attempts == 3 {
			release()
		}
		return Open(path, unix.O_RDONLY)
	})
	if err != nil || attempts != 3 {
		t.Fatalf("%d attempts: %v", attempts, err)
	}
	file.Close()
	release = lease(t, path, unix.F_WRLCK)
	defer release()
	within(t, func() {
		if _, err := Patiently(func() (*os.File, error) { return Open(path, unix.O_RDONLY) }); !errors.Is(err, ErrLeased) {
			t.Errorf("a lease that is not given up: %v", err)
		}
	})
}

func TestAFileOfAnEarlierRunIsReplaced(t *testing.T) {
	t.Parallel()
	dir := hostile(t)
	for _, name := range []string{"file", "read-leased", "write-leased", "fifo", "link", "missing"} {
		within(t, func() {
			path := filepath.Join(dir, name)
			err := WriteFile(path, []byte("new"), 0o644)
			text, readErr := os.ReadFile(path)
			if err != nil || readErr != nil || string(text) != "new" {
				t.Errorf("%s: %v, %q, %v", name, err, text, readErr)
			}
		})
	}
}

// Package testnode has the helpers that tests of the launcher share: root file systems made of files, leases on files,
// and a process that has a network, mounts and a /run of its own.
package testnode

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// InOwn runs the test again in a process that has a network, mounts and a /run of its own, and reports whether this
// is that process.
func InOwn(t *testing.T) bool {
	t.Helper()
	const mark = "DAVIT_TEST_OWN_NODE"
	if os.Getenv(mark) != "" {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		for _, mount := range []struct{ kind, path string }{{"sysfs", "/sys"}, {"tmpfs", "/run"}, {"tmpfs", "/var/lib"}} {
			if err := unix.Mount(mount.kind, mount.path, mount.kind, 0, ""); err != nil {
				t.Fatal(err)
			}
		}
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("makes devices, which needs root")
	}
	again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), mark+"=1")
	again.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS}
	output, err := again.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, output)
	}
	return false
}

// Sh runs a script of the shell.
func Sh(t *testing.T, script string) {
	t.Helper()
	if output, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, output)
	}
}

// Root makes a root filesystem of files.
func Root(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// Lease holds a lease on a file until the test ends.
func Lease(t *testing.T, path string, kind int) {
	t.Helper()
	flags := unix.O_RDONLY
	if kind == unix.F_WRLCK {
		flags = unix.O_RDWR
	}
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	SetLease(t, uintptr(fd), kind)
}

// SetLease places a lease on an open file. The kernel refuses it while another process has the file open, such as a child
// that another test has just forked and that has not executed its program yet: then it tries again.
func SetLease(t *testing.T, fd uintptr, kind int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		_, err := unix.FcntlInt(fd, unix.F_SETLEASE, kind)
		switch {
		case err == nil:
			return
		case !errors.Is(err, unix.EAGAIN) || time.Now().After(deadline):
			t.Fatal(err)
		}
	}
}

package process

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/testnode"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

func TestUsersAreTheImagesOwn(t *testing.T) {
	t.Parallel()
	root := testnode.Root(t, map[string]string{
		"etc/passwd": "root:x:0:0::/root:/bin/sh\nweb:x:101:102::/srv:/bin/sh\n",
		"etc/group":  "web:x:102:\nlogs:x:200:web\ndata:x:300:\n",
	})
	for user, want := range map[string]Account{
		"":         {0, 0, []uint32{0}, "/root"},
		"web":      {101, 102, []uint32{102, 200}, "/srv"},
		"101":      {101, 102, []uint32{102, 200}, "/srv"},
		"web:data": {101, 300, []uint32{300}, "/srv"},
		"5:6":      {5, 6, []uint32{6}, "/"},
	} {
		got, err := lookUp(root, user)
		if err != nil {
			t.Errorf("%q: %v", user, err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(Account{})); diff != "" {
			t.Errorf("%q: %s", user, diff)
		}
	}
	if _, err := lookUp(root, "nobody"); err == nil {
		t.Error("a user that the image lacks is found")
	}
}

func TestHostilePasswdFiles(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(path string) error{
		"a FIFO":           func(path string) error { return unix.Mkfifo(path, 0o600) },
		"a directory":      func(path string) error { return os.Mkdir(path, 0o755) },
		"a link to itself": func(path string) error { return os.Symlink("passwd", path) },
		"a large file":     func(path string) error { return os.WriteFile(path, make([]byte, maxAccountFile+1), 0o644) },
	} {
		root := testnode.Root(t, map[string]string{"etc/group": ""})
		if err := put(filepath.Join(root, "etc", "passwd")); err != nil {
			t.Fatal(err)
		}
		if _, err := lookUp(root, "web"); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestLinksOfAnImageStayInside(t *testing.T) {
	t.Parallel()
	outside := testnode.Root(t, map[string]string{"passwd": "web:x:0:0::/:/bin/sh\n"})
	root := testnode.Root(t, map[string]string{"etc/group": "", "usr/lib/passwd": "web:x:7:7::/:/bin/sh\n"})
	link := filepath.Join(root, "etc", "passwd")
	if err := os.Symlink(filepath.Join(outside, "passwd"), link); err != nil {
		t.Fatal(err)
	}
	if _, err := lookUp(root, "web"); err == nil {
		t.Error("a link led outside the root filesystem")
	}
	if err := errors.Join(os.Remove(link), os.Symlink("/usr/lib/passwd", link)); err != nil {
		t.Fatal(err)
	}
	if got, err := lookUp(root, "web"); err != nil || got.UID != 7 {
		t.Errorf("an absolute link within the image: %+v, %v", got, err)
	}
}

func TestAnEnvironmentFileWithALeaseIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	dir := testnode.Root(t, map[string]string{"env": "A=b\n"})
	file := bundle.EnvFile{Root: dir, Path: filepath.Join(dir, "env")}
	if text, err := readEnvFile(file); err != nil || string(text) != "A=b\n" {
		t.Errorf("got %q, %v", text, err)
	}
	testnode.Lease(t, file.Path, unix.F_WRLCK)
	began := time.Now()
	if _, err := readEnvFile(file); !errors.Is(err, untrusted.ErrLeased) || time.Since(began) > 10*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

package launch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// rootfs makes a root filesystem of files.
func rootfs(t *testing.T, files map[string]string) string {
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

func TestUsersAreTheImagesOwn(t *testing.T) {
	t.Parallel()
	root := rootfs(t, map[string]string{
		"etc/passwd": "root:x:0:0::/root:/bin/sh\nweb:x:101:102::/srv:/bin/sh\n",
		"etc/group":  "web:x:102:\nlogs:x:200:web\ndata:x:300:\n",
	})
	for user, want := range map[string]account{
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
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(account{})); diff != "" {
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
		root := rootfs(t, map[string]string{"etc/group": ""})
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
	outside := rootfs(t, map[string]string{"passwd": "web:x:0:0::/:/bin/sh\n"})
	root := rootfs(t, map[string]string{"etc/group": "", "usr/lib/passwd": "web:x:7:7::/:/bin/sh\n"})
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
	if got, err := lookUp(root, "web"); err != nil || got.uid != 7 {
		t.Errorf("an absolute link within the image: %+v, %v", got, err)
	}
}

func TestNeighboursAreNamedInTheOrderInWhichTheyCame(t *testing.T) {
	t.Parallel()
	web := neighbour{ID: "web", Endpoint: bundle.Endpoint{Names: []string{"web", "www"}, Addresses: []string{"10.0.0.2", "fd00::2"}}}
	db := neighbour{ID: "db", Endpoint: bundle.Endpoint{Names: []string{"db"}, Addresses: []string{"10.0.0.3"}}}
	all := neighbours{}.with(web).with(db)
	want := "10.0.0.2\tweb www\nfd00::2\tweb www\n10.0.0.3\tdb\n"
	if diff := cmp.Diff(want, all.lines()); diff != "" {
		t.Error(diff)
	}
	web.Names = []string{"web"}
	if diff := cmp.Diff("10.0.0.2\tweb\nfd00::2\tweb\n10.0.0.3\tdb\n", all.with(web).lines()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("10.0.0.3\tdb\n", all.without("web").lines()); diff != "" {
		t.Error(diff)
	}
}

func TestAHostNameThatNeighboursDoNotKnowIsTheContainersOwn(t *testing.T) {
	t.Parallel()
	web := bundle.Member{ID: "web", Hostname: "frontend", Networks: map[string]bundle.Endpoint{
		"app": {Names: []string{"web", "www"}, Addresses: []string{"10.0.0.2", "fd00::2"}}, "back": {Names: []string{"web", "frontend"}, Addresses: []string{"10.1.0.3"}},
	}}
	if diff := cmp.Diff("10.0.0.2\tfrontend\nfd00::2\tfrontend\n", ownHosts(web)); diff != "" {
		t.Error(diff)
	}
}

func TestUnreadyReplicasLeaveTheirNamesToReadyOnes(t *testing.T) {
	t.Parallel()
	replica := func(id, address string, unready bool) neighbour {
		return neighbour{ID: id, Unready: unready, Endpoint: bundle.Endpoint{Names: []string{id, "web"}, Addresses: []string{address}}}
	}
	for name, test := range map[string]struct {
		all  neighbours
		want string
	}{
		"one is ready": {
			neighbours{replica("web-1", "10.0.0.1", true), replica("web-2", "10.0.0.2", false)},
			"10.0.0.1\tweb-1\n10.0.0.2\tweb-2 web\n",
		},
		"none is ready": { // a refusal tells more than a name that is not known
			neighbours{replica("web-1", "10.0.0.1", true), replica("web-2", "10.0.0.2", true)},
			"10.0.0.1\tweb-1 web\n10.0.0.2\tweb-2 web\n",
		},
		"a spare without a name of its own": {
			neighbours{replica("web", "10.0.0.1", true), replica("web", "10.0.0.2", false)},
			"10.0.0.2\tweb web\n",
		},
	} {
		if diff := cmp.Diff(test.want, test.all.lines()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestHostsAreWrittenWhereTheyDiffer(t *testing.T) {
	t.Parallel()
	const base = "127.0.0.1\tlocalhost\n"
	for name, test := range map[string]struct {
		file, old, new string
		patched        bool
	}{
		"one comes":           {base + "1\ta\n", "1\ta\n", "1\ta\n2\tb\n", true},
		"the last one goes":   {base + "1\ta\n2\tb\n", "1\ta\n2\tb\n", "1\ta\n", true},
		"the first one goes":  {base + "1\ta\n2\tb\n", "1\ta\n2\tb\n", "2\tb\n", true},
		"all go":              {base + "1\ta\n", "1\ta\n", "", true},
		"one gets longer":     {base + "1\ta\n2\tb\n", "1\ta\n2\tb\n", "1\ta c\n2\tb\n", true},
		"not as it should be": {base + "1\ta\n# the container's\n", "1\ta\n", "2\tb\n", false},
	} {
		file := filepath.Join(rootfs(t, map[string]string{"hosts": test.file}), "hosts")
		patched, err := difference(test.old, test.new).apply(file, len(base))
		if err != nil || patched != test.patched {
			t.Errorf("%s: %v, %v", name, patched, err)
		}
		want := test.file
		if test.patched {
			want = base + test.new
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if patched, err := difference("", "1\ta\n").apply(filepath.Join(t.TempDir(), "none"), 0); patched || err != nil {
		t.Errorf("no file: %v, %v", patched, err)
	}
}

// lease holds a lease on a file until the test ends.
func lease(t *testing.T, path string, kind int) {
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
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, kind); err != nil {
		t.Fatal(err)
	}
}

func TestANeighbourThatLeasesItsHostsCostsNobodyElse(t *testing.T) {
	t.Parallel()
	dir := rootfs(t, map[string]string{"first": "1\ta\n", "hostile": "1\ta\n", "last": "1\ta\n"})
	lease(t, filepath.Join(dir, "hostile"), unix.F_RDLCK)
	all := neighbours{{ID: "first"}, {ID: "hostile"}, {ID: "last"}}
	began := time.Now()
	refused, err := all.tell(func(n neighbour) error {
		_, err := difference("1\ta\n", "1\ta\n2\tb\n").apply(filepath.Join(dir, n.ID), 0)
		return err
	})
	// The kernel takes a lease away after 45 s.
	if took := time.Since(began); err != nil || took > 10*time.Second {
		t.Errorf("%v after %s", err, took)
	}
	if len(refused) != 1 || !errors.Is(refused["hostile"], untrusted.ErrLeased) {
		t.Errorf("refused: %v", refused)
	}
	if all[0].Base != 0 || all[1].Base != -1 || all[2].Base != 0 {
		t.Errorf("to be written as a whole: %+v", all)
	}
	for name, want := range map[string]string{"first": "1\ta\n2\tb\n", "hostile": "1\ta\n", "last": "1\ta\n2\tb\n"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	_, err = all.tell(func(neighbour) error { return unix.EIO })
	if !errors.Is(err, unix.EIO) {
		t.Errorf("an error of the node's: %v", err)
	}
}

func TestAnEnvironmentFileWithALeaseIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	dir := rootfs(t, map[string]string{"env": "A=b\n"})
	file := bundle.EnvFile{Root: dir, Path: filepath.Join(dir, "env")}
	if text, err := readEnvFile(file); err != nil || string(text) != "A=b\n" {
		t.Errorf("got %q, %v", text, err)
	}
	lease(t, file.Path, unix.F_WRLCK)
	began := time.Now()
	if _, err := readEnvFile(file); !errors.Is(err, untrusted.ErrLeased) || time.Since(began) > 10*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

func TestInitLayerIsTheTopmost(t *testing.T) {
	t.Parallel()
	got := overlayOptions(initLayerDir, []string{"l/A", "l/B"}, "/u", "/w")
	if want := "lowerdir=" + initLayerDir + ":l/A:l/B,upperdir=/u,workdir=/w,volatile"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestHostPathTypes(t *testing.T) {
	t.Parallel()
	root := rootfs(t, map[string]string{"file": ""})
	for kind, good := range map[string]map[string]bool{
		"Directory":         {".": true, "file": false, "missing": false},
		"File":              {".": false, "file": true, "missing": false},
		"DirectoryOrCreate": {"made/deep": true, "file": false},
		"FileOrCreate":      {"new": true, ".": false},
		"Socket":            {"file": false}, "BlockDevice": {"file": false}, "CharDevice": {"file": false},
	} {
		for name, want := range good {
			found, err := openHostPath(bundle.HostPath{Path: filepath.Join(root, name), Type: kind})
			if (err == nil) != want {
				t.Errorf("%s as %s: %v", name, kind, err)
			}
			if err == nil {
				found.Close()
			}
		}
	}
}

func TestHostPathsStayBelowTheirRoot(t *testing.T) {
	t.Parallel()
	node := rootfs(t, map[string]string{"allowed/dir/file": "", "secret": ""})
	for link, target := range map[string]string{
		"out": "../secret", "absolute": filepath.Join(node, "secret"), "in": "dir/file", "parent": "..",
	} {
		if err := os.Symlink(target, filepath.Join(node, "allowed", link)); err != nil {
			t.Fatal(err)
		}
	}
	root := filepath.Join(node, "allowed")
	for path, want := range map[string]bool{
		"": true, "/dir/file": true, "/in": true, "/out": false, "/absolute": false, "/parent/secret": false,
	} {
		found, err := openHostPath(bundle.HostPath{Path: root + path, Root: root})
		if (err == nil) != want {
			t.Errorf("%q: %v", path, err)
		}
		if err == nil {
			found.Close()
		}
	}
	for kind, path := range map[string]string{"DirectoryOrCreate": "/absolute/made", "FileOrCreate": "/parent/made"} {
		if found, err := openHostPath(bundle.HostPath{Path: root + path, Type: kind, Root: root}); err == nil {
			found.Close()
		}
	}
	if entries, err := os.ReadDir(node); err != nil || len(entries) != 2 {
		t.Errorf("something was made outside of the root: %v, %v", entries, err)
	}
}

// TestLinksOfContainersLeadToNothingElse has the links that a container can make which writes to srv and not to srv/ro.
func TestLinksOfContainersLeadToNothingElse(t *testing.T) {
	t.Parallel()
	node := rootfs(t, map[string]string{"srv/sub.old/file": "", "srv/ro/file": "", "victim/secret": ""})
	srv := filepath.Join(node, "srv")
	for link, target := range map[string]string{
		"srv/sub": filepath.Join(node, "victim"), "srv/reads": "ro", "srv/around": ".", "srv/plain": "sub.old", "linked": "victim",
	} {
		if err := os.Symlink(target, filepath.Join(node, link)); err != nil {
			t.Fatal(err)
		}
	}
	guarded := []string{filepath.Join(srv, "ro")}
	for name, test := range map[string]struct {
		want bundle.HostPath
		err  string
	}{
		"what is there":                  {bundle.HostPath{Path: srv + "/sub.old", Root: srv, Guarded: guarded}, ""},
		"a link to it":                   {bundle.HostPath{Path: srv + "/plain", Root: srv, Guarded: guarded}, ""},
		"a link in the place of a root":  {bundle.HostPath{Path: srv + "/sub/secret", Root: srv + "/sub"}, "has a link on its way, sub"},
		"the same root itself":           {bundle.HostPath{Path: srv + "/sub", Root: srv + "/sub"}, "has a link on its way, sub"},
		"it is followed inside the root": {bundle.HostPath{Path: srv + "/sub/secret", Root: srv}, "file does not exist"},
		"a link before the root":         {bundle.HostPath{Path: node + "/linked/secret", Root: node + "/linked"}, "has a link on its way, linked"},
		"to what may be read alone":      {bundle.HostPath{Path: srv + "/reads", Root: srv, Guarded: guarded}, "may be mounted read-only alone"},
		"to a file in it":                {bundle.HostPath{Path: srv + "/reads/file", Root: srv, Guarded: guarded}, "may be mounted read-only alone"},
		"to what is around it":           {bundle.HostPath{Path: srv + "/around", Root: srv, Guarded: guarded}, "may be mounted read-only alone"},
		"a directory made in it":         {bundle.HostPath{Path: srv + "/reads/made/deep", Type: "DirectoryOrCreate", Root: srv, Guarded: guarded}, "may be mounted read-only alone"},
		"a file made in it":              {bundle.HostPath{Path: srv + "/reads/made", Type: "FileOrCreate", Root: srv, Guarded: guarded}, "may be mounted read-only alone"},
		"a directory made elsewhere":     {bundle.HostPath{Path: srv + "/plain/made/deep", Type: "DirectoryOrCreate", Root: srv, Guarded: guarded}, ""},
		"an allowed file":                {bundle.HostPath{Path: srv + "/ro/file", Root: srv + "/ro/file"}, ""},
		"a root that is not there":       {bundle.HostPath{Path: srv + "/none/x", Type: "DirectoryOrCreate", Root: srv + "/none"}, "file does not exist"},
	} {
		found, err := openHostPath(test.want)
		if err == nil {
			found.Close()
		}
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if made, err := os.Stat(filepath.Join(srv, "sub.old/made/deep")); err != nil || !made.IsDir() {
		t.Errorf("nothing was made: %v", err)
	}
	if entries, err := os.ReadDir(filepath.Join(srv, "ro")); err != nil || len(entries) != 1 {
		t.Errorf("something was made in what may be read alone: %v, %v", entries, err)
	}
}

// fault: a plugin is missing, fails, hangs, or leaves a process behind
func TestPluginsAreNotWaitedForEver(t *testing.T) {
	t.Parallel()
	plugin := filepath.Join(t.TempDir(), "hang")
	// Its child holds the output open when the plugin itself has been killed.
	if err := os.WriteFile(plugin, []byte("#!/bin/sh\ntail -f /dev/null &\nwait\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := newPluginExec().ExecPlugin(ctx, plugin, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "did not answer") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestPluginsGetACleanEnvironment(t *testing.T) {
	t.Parallel()
	for _, entry := range pluginEnvironment([]string{"CNI_COMMAND=ADD", "LD_PRELOAD=/x", "NOTIFY_SOCKET=/run/x", "PATH=/tmp"}) {
		if entry != "CNI_COMMAND=ADD" && !strings.HasPrefix(entry, "PATH=/usr/local/sbin:") {
			t.Errorf("plugins see %s", entry)
		}
	}
}

func TestStartOutsideItsUnitIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := bundle.Bundle{Spec: &specs.Spec{Process: &specs.Process{}}, Launch: bundle.Launch{ID: "web"}}
	text, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, bundle.ConfigFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Start(context.Background(), dir); err == nil {
		t.Error("a container was started outside its unit")
	}
}

func TestCleanupTakesOnlyIDs(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "..", "a/b", "-a", "A", "a@", "a@b", "@1", strings.Repeat("a", 128)} {
		if err := Cleanup(context.Background(), id); err == nil {
			t.Errorf("%q is taken for an id", id)
		}
	}
}

package rootfs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/davit-project/davit/agent/launch/testnode"
	"github.com/davit-project/davit/units/bundle"
)

func TestHostPathTypes(t *testing.T) {
	t.Parallel()
	root := testnode.Root(t, map[string]string{"file": ""})
	for kind, good := range map[string]map[string]bool{
		"Directory":         {".": true, "file": false, "missing": false},
		"File":              {".": false, "file": true, "missing": false},
		"DirectoryOrCreate": {"made/deep": true, "file": false},
		"FileOrCreate":      {"new": true, ".": false},
		"Socket":            {"file": false}, "BlockDevice": {"file": false}, "CharDevice": {"file": false},
	} {
		for name, want := range good {
			found, err := OpenHostPath(bundle.HostPath{Path: filepath.Join(root, name), Type: kind})
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
	node := testnode.Root(t, map[string]string{"allowed/dir/file": "", "secret": ""})
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
		found, err := OpenHostPath(bundle.HostPath{Path: root + path, Root: root})
		if (err == nil) != want {
			t.Errorf("%q: %v", path, err)
		}
		if err == nil {
			found.Close()
		}
	}
	for kind, path := range map[string]string{"DirectoryOrCreate": "/absolute/made", "FileOrCreate": "/parent/made"} {
		if found, err := OpenHostPath(bundle.HostPath{Path: root + path, Type: kind, Root: root}); err == nil {
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
	node := testnode.Root(t, map[string]string{"srv/sub.old/file": "", "srv/ro/file": "", "victim/secret": ""})
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
		found, err := OpenHostPath(test.want)
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

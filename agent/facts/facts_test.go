package facts

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/manifests/fleet"
)

func TestFactsAreRead(t *testing.T) {
	t.Parallel()
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for name, test := range map[string]struct {
		root fstest.MapFS
		want fleet.Facts
	}{
		"a node": {
			fstest.MapFS{
				"etc/hostname":   file("# the name\nEdge-1\n"),
				"etc/machine-id": file("0123\n"),
				"etc/os-release": file("NAME=\"Debian\"\nVERSION_ID=\"13\"\nID=debian\n"),
			},
			fleet.Facts{Hostname: "edge-1", Arch: runtime.GOARCH, OS: "debian", OSVersion: "13", MachineID: "0123"},
		},
		"the vendor's os-release": {
			fstest.MapFS{"usr/lib/os-release": file("ID='fedora'\n")},
			fleet.Facts{Arch: runtime.GOARCH, OS: "fedora"},
		},
		"first boot": {
			fstest.MapFS{"etc/machine-id": file("uninitialized\n")},
			fleet.Facts{Arch: runtime.GOARCH},
		},
	} {
		got, err := collect(test.root)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestConfigIsTheOwnersAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if _, _, err := Read(path); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(path, []byte("labels: {site: berlin}\ngenerations: 3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	node, config, err := Read(path)
	if err != nil || config.Generations != 3 || node.Labels["site"] != "berlin" || node.Labels["kubernetes.io/arch"] != runtime.GOARCH || node.Hostname == "" {
		t.Errorf("%+v, %v", node, err)
	}
	if err := os.Chmod(path, 0o664); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Read(path); err == nil || !strings.Contains(err.Error(), "chmod go-w") {
		t.Errorf("a file that others may write: %v", err)
	}
	if err := os.WriteFile(path, []byte("label: {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadConfig(path, Anyone); err == nil || !strings.Contains(err.Error(), "config.yaml:1:1: label: unknown field") {
		t.Errorf("a mistake: %v", err)
	}
}

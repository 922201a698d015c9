package mend

import (
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/drift"
	"github.com/davit-project/davit/agent/launch/testnode"
	"github.com/davit-project/davit/units/bundle"
)

func TestWhatIsMountedOverAnEmptyDirectoryIsNamed(t *testing.T) {
	if !testnode.InOwn(t) {
		return
	}
	b := standUp(t, "web")
	b.EmptyDirs = []bundle.EmptyDir{{Name: "memory", Tmpfs: []string{"mode=1777"}}}
	path := bundle.EmptyDirPath("web", "memory")
	testnode.Sh(t, "mkdir -p "+path+" && mount -t tmpfs memory "+path)
	if err := mendSandbox(b); err != nil {
		t.Errorf("with its own file system: %v", err)
	}
	testnode.Sh(t, "mount -t ramfs stray "+path)
	faults, err := drift.Check([]*bundle.Bundle{b})
	if err != nil || len(faults["web"]) != 1 {
		t.Errorf("check: %v, %v", faults, err)
	}
	want := "ramfs of stray is mounted over it: run umount " + path
	if err := mendSandbox(b); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	testnode.Sh(t, "umount "+path)
	if err := mendSandbox(b); err != nil {
		t.Errorf("after umount: %v", err)
	}
}

func TestOnlyTheMountOfAContainerIsTakenFromIt(t *testing.T) {
	if !testnode.InOwn(t) {
		return
	}
	testnode.Sh(t, "mkdir -p /run/in/other /run/in/memory /run/in/stray /run/out && mount -t tmpfs memory /run/in/memory && mount -t ramfs stray /run/in/stray")
	for destination, want := range map[string]bool{"/run/in/other": false, "/run/in/stray": false, "/run/in/memory": true} {
		err := mountFrom(os.Getpid(), specs.Mount{Destination: destination}, "/run/out", "tmpfs")
		if (err == nil) != want {
			t.Errorf("%s: %v", destination, err)
		}
	}
}

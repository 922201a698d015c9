package bundles

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/units/bundle"
)

func TestAPodIsTheBundlesThatItsUnitsStartAndThoseThatRun(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := func(dir, id, sandbox, image string) {
		t.Helper()
		b := bundle.Bundle{Spec: &specs.Spec{Process: &specs.Process{}}, Launch: bundle.Launch{ID: id, Sandbox: sandbox, Image: bundle.Image{Reference: image}}}
		text, err := b.Encode()
		if err != nil {
			t.Fatal(err)
		}
		write(filepath.Join(dir, bundle.ConfigFile), string(text))
	}
	unit := func(id, sandbox, dir string) {
		write("units/"+id+".service", fmt.Sprintf("[Unit]\nBindsTo=%s.service\n[Service]\nExecStart=/usr/bin/davit-run start %s\n", sandbox, filepath.Join(root, dir)))
	}
	unit("app-one", "app-pod", "bundles/one-new")
	config("bundles/one-new", "app-one", "app-pod", "one-new")
	config("bundles/one-old", "app-one", "app-pod", "unused")
	config("running/app-one", "app-one", "app-pod", "one-running")
	unit("app-crashed", "app-pod", "bundles/crashed")
	config("bundles/crashed", "app-crashed", "app-pod", "crashed")
	unit("app-lost", "app-pod", "bundles/lost")
	unit("other-one", "my-app-pod", "bundles/other") // whose sandbox's name ends like that
	config("bundles/other", "other-one", "my-app-pod", "other")
	unit("waits", "app-pod", "bundles/waits") // for the pod, and is none of it
	config("bundles/waits", "waits", "", "waits")

	var got []string
	for _, b := range ofPod(filepath.Join(root, "units"), filepath.Join(root, "running"), "app-pod") {
		got = append(got, b.Image.Reference)
	}
	slices.Sort(got)
	if want := []string{"crashed", "one-new", "one-running"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

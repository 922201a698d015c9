package resolve_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// goldenImage is the configuration of every image of the golden files.
var goldenImage = imagespec.ImageConfig{
	Entrypoint: []string{"/docker-entrypoint.sh"}, Cmd: []string{"nginx"}, Env: []string{"LANG=C.UTF-8", "MODE=image"},
	User: "nginx", WorkingDir: "/srv", StopSignal: "SIGQUIT",
}

// goldenDocker is its configuration beyond OCI's; manifests have to ask for it.
var goldenDocker = reconcile.DockerConfig{Healthcheck: &reconcile.Healthcheck{Test: []string{"CMD-SHELL", "curl -f http://localhost/ || exit 1"}, Interval: time.Minute, Timeout: 5 * time.Second}}

// TestGolden shows, for each manifest of testdata/manifests, the units and bundles that it
// becomes.
func TestGolden(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(filepath.Join("testdata", "manifests", "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			t.Parallel()
			manifest, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			objects := reconciletest.Load(t, string(manifest))
			images := reconciletest.Resolved(objects, goldenImage)
			for request, result := range images {
				result.Image.Docker = goldenDocker
				images[request] = result
			}
			desired := resolve.Resolve(resolve.Input{Objects: objects, Images: images, Node: reconciletest.TestNode})
			compareGolden(t, strings.TrimSuffix(path, ".yaml")+".golden", render(t, desired))
		})
	}
}

// render is the desired state as text.
func render(t *testing.T, desired reconcile.Desired) string {
	t.Helper()
	var text strings.Builder
	for _, problem := range desired.Problems {
		t.Errorf("%s: %v", problem.Ref, problem.Err)
	}
	for _, name := range slices.Sorted(maps.Keys(desired.Networks)) {
		network := desired.Networks[name]
		fmt.Fprintf(&text, "-- network %s, bridge %q --\n%s\n", name, network.Bridge, network.Conflist)
	}
	for _, name := range slices.Sorted(maps.Keys(desired.Volumes)) {
		volume := desired.Volumes[name]
		fmt.Fprintf(&text, "-- volume %s, owner %d:%d, mode %04o --\n", name, volume.UID, volume.GID, volume.Mode)
	}
	for _, name := range slices.Sorted(maps.Keys(desired.Workloads)) {
		workload := desired.Workloads[name]
		fmt.Fprintf(&text, "-- %s --\n%s", name, units.OnDisk(workload.UnitText))
		if workload.Bundle == nil {
			continue
		}
		fmt.Fprintf(&text, "-- bundle of %s --\n%s", name, renderBundle(t, workload.Bundle))
		for _, file := range workload.Bundle.Files {
			fmt.Fprintf(&text, "-- %s of the bundle, owner %d:%d, mode %04o --\n%s\n", file.Path, file.UID, file.GID, file.Mode, file.Content)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(desired.Spares)) {
		fmt.Fprintf(&text, "-- %s, a spare --\n%s", name, units.OnDisk(desired.Spares[name].UnitText))
	}
	return text.String()
}

// renderBundle renders a bundle with its two parts beside each other. Parts that most containers share are left out, or
// abbreviated: the networks' configurations, which are above, the system's mounts, the hidden paths, the system call filter.
func renderBundle(t *testing.T, b *bundle.Bundle) string {
	t.Helper()
	launch, spec, linux := b.Launch, *b.Spec, *b.Spec.Linux
	spec.Linux = &linux
	launch.Network.Attachments = slices.Clone(launch.Network.Attachments)
	for i := range launch.Network.Attachments {
		launch.Network.Attachments[i].Conflist = nil
	}
	usual, err := resolve.SystemMounts(resolve.Runnable{})
	if err != nil {
		t.Fatal(err)
	}
	spec.Mounts = slices.DeleteFunc(slices.Clone(spec.Mounts), func(mount specs.Mount) bool {
		return slices.ContainsFunc(usual, func(other specs.Mount) bool { return reflect.DeepEqual(mount, other) })
	})
	linux.MaskedPaths = usually(linux.MaskedPaths, resolve.MaskedPaths)
	linux.ReadonlyPaths = usually(linux.ReadonlyPaths, resolve.ReadonlyPaths)
	filter := "its own"
	if linux.Seccomp == nil {
		filter = "none"
	} else if reflect.DeepEqual(linux.Seccomp, resolve.DefaultFilter(reconciletest.TestNode.DefaultSeccomp, spec.Process.Capabilities.Bounding, reconciletest.TestNode.Architecture)) {
		filter = "default"
		linux.Seccomp = nil
	}
	text, err := json.MarshalIndent(struct {
		Launch  bundle.Launch
		Spec    *specs.Spec
		Seccomp string
	}{launch, &spec, filter}, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// usually is a word for the usual list.
func usually(list, usual []string) []string {
	if slices.Equal(list, usual) {
		return []string{"default"}
	}
	return list
}

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got); -update rewrites it:\n%s", path, diff)
	}
}

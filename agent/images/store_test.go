package images

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.podman.io/storage"

	"github.com/davit-project/davit/reconcile"
)

func TestLayersAreSyncedUnlessTheNodeSaysOtherwise(t *testing.T) {
	for _, test := range []struct{ have, want []string }{
		{nil, []string{"overlay.skip_mount_home=true", "overlay.sync=filesystem"}},
		{[]string{"overlay.mountopt=nodev"}, []string{"overlay.mountopt=nodev", "overlay.skip_mount_home=true", "overlay.sync=filesystem"}},
		{[]string{"overlay.sync=none"}, []string{"overlay.skip_mount_home=true", "overlay.sync=none"}},
		{[]string{"Sync=filesystem", "skip_mount_home=false"}, []string{"Sync=filesystem", "skip_mount_home=false"}},
	} {
		got, err := durable(storage.StoreOptions{GraphDriverOptions: test.have})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got.GraphDriverOptions)
		if diff := cmp.Diff(test.want, got.GraphDriverOptions); diff != "" {
			t.Errorf("%q: %s", test.have, diff)
		}
	}
}

func TestTheStorageIsReallySynced(t *testing.T) {
	s := newRootNode(t)
	store, err := s.storage()
	if err != nil {
		t.Fatal(err)
	}
	graph, err := store.GraphDriver()
	if err != nil {
		t.Fatal(err)
	}
	if got := graph.SyncMode().String(); got != "filesystem" {
		t.Errorf("got sync mode %s, want filesystem", got)
	}
}

func TestPartialPullsAreOff(t *testing.T) {
	own := map[string]string{"enable_partial_images": "true", "use_hard_links": "true"}
	got, err := durable(storage.StoreOptions{PullOptions: own})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"enable_partial_images": "false", "convert_images": "false", "use_hard_links": "true"}
	if diff := cmp.Diff(want, got.PullOptions); diff != "" {
		t.Error(diff)
	}
	if own["enable_partial_images"] != "true" {
		t.Error("the caller's options were changed")
	}
}

func TestAnotherDriverIsRefused(t *testing.T) {
	s := newNode(t)
	s.settings.storage = func() (storage.StoreOptions, error) {
		return storage.StoreOptions{GraphRoot: t.TempDir(), RunRoot: t.TempDir(), GraphDriverName: "vfs"}, nil
	}
	err := s.EnsureImage(t.Context(), reconcile.Image{Image: bundleImage("registry.example/app:1")}, nil)
	wantError(t, err, "image registry.example/app:1", `uses the driver "vfs"`, "storage.conf")
}

func TestAStorageThatCannotBeOpenedIsTriedAgain(t *testing.T) {
	s := newRootNode(t)
	options := s.settings.storage
	s.settings.storage = func() (storage.StoreOptions, error) { return storage.StoreOptions{}, os.ErrPermission }
	if _, err := s.storage(); err == nil {
		t.Fatal("got no error")
	}
	s.settings.storage = options
	if _, err := s.storage(); err != nil {
		t.Error(err)
	}
}

func TestLayersOfAnAdditionalStoreHaveWholePaths(t *testing.T) {
	factory, registry := newRootNode(t), newRegistry(t)
	image := pull(t, factory, always(registry.push(t, "app:1", newImage(t, "amd64", 2))))
	options, err := factory.settings.storage()
	if err != nil {
		t.Fatal(err)
	}
	if err := factory.Close(); err != nil {
		t.Fatal(err)
	}

	s := newRootNode(t)
	own, err := s.settings.storage()
	if err != nil {
		t.Fatal(err)
	}
	// One process cannot open a storage both to write and to read.
	shipped := filepath.Join(t.TempDir(), "shipped")
	if output, err := exec.Command("cp", "-a", options.GraphRoot, shipped).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	own.GraphDriverOptions = append(own.GraphDriverOptions, "overlay.imagestore="+shipped)
	s.settings.storage = func() (storage.StoreOptions, error) { return own, nil }
	pull(t, s, ifNotPresent(image.Reference))
	record, err := s.records.read(image.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range record.Lower {
		if !filepath.IsAbs(dir) || !isDir(dir) {
			t.Errorf("layer %q is not a directory's whole path", dir)
		}
	}
	if len(s.keys(t, image.ID)) != 1 {
		t.Error("the image does not count as present")
	}
}

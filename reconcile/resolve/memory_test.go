package resolve_test

import (
	"cmp"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
)

// goldenObjects are the versions that the golden manifests have of each object.
func goldenObjects(t *testing.T) map[v1.Ref][]object.Object {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "manifests", "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	versions := map[v1.Ref][]object.Object{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range reconciletest.Load(t, string(text)) {
			versions[object.Ref()] = append(versions[object.Ref()], object)
		}
	}
	return versions
}

// A resolution with a memory equals one without, after any change.
func TestAMemoryResolvesTheSame(t *testing.T) {
	t.Parallel()
	versions := goldenObjects(t)
	refs := slices.SortedFunc(maps.Keys(versions), compareByName)
	rapid.Check(t, func(t *rapid.T) {
		var memory resolve.Memory
		objects, node := map[v1.Ref]object.Object{}, reconciletest.TestNode
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			for range rapid.IntRange(1, 8).Draw(t, "edits") {
				ref := rapid.SampledFrom(refs).Draw(t, "object")
				objects[ref] = rapid.SampledFrom(versions[ref]).Draw(t, "version")
			}
			if gone := rapid.SampledFrom(refs).Draw(t, "gone"); rapid.Bool().Draw(t, "goes") {
				delete(objects, gone)
			}
			node.Hostname = rapid.SampledFrom([]string{"node", "node", "node", "other"}).Draw(t, "node")
			in := resolve.Input{Node: node, Objects: objectsOf(objects)}
			in.Images = reconciletest.Resolved(in.Objects, goldenImage)
			if lost := rapid.SampledFrom(append(resolve.Requests(in.Objects), reconcile.ImageRequest{})).Draw(t, "image"); rapid.Bool().Draw(t, "is lost") {
				in.Images[lost] = resolve.ImageResult{Err: errors.New("no such image")}
			}
			if got, want := memory.Resolve(in), resolve.Resolve(in); !reflect.DeepEqual(got, want) {
				reportDifference(t, got, want)
			}
		}
	})
}

func compareByName(a, b v1.Ref) int { return cmp.Compare(a.String(), b.String()) }

func objectsOf(byRef map[v1.Ref]object.Object) []object.Object {
	return slices.SortedFunc(maps.Values(byRef), func(a, b object.Object) int { return compareByName(a.Ref(), b.Ref()) })
}

func reportDifference(t *rapid.T, got, want reconcile.Desired) {
	t.Helper()
	for _, unit := range slices.Sorted(maps.Keys(maps.Collect(want.All()))) {
		if !reflect.DeepEqual(got.Workload(unit), want.Workload(unit)) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", unit, got.Workload(unit), want.Workload(unit))
		}
	}
	if !reflect.DeepEqual(got.Problems, want.Problems) {
		t.Errorf("problems:\ngot  %+v\nwant %+v", got.Problems, want.Problems)
	}
	if !reflect.DeepEqual(got.Images, want.Images) {
		t.Errorf("images:\ngot  %v\nwant %v", slices.Sorted(maps.Keys(got.Images)), slices.Sorted(maps.Keys(want.Images)))
	}
	if !reflect.DeepEqual(got.Networks, want.Networks) {
		t.Errorf("networks:\ngot  %v\nwant %v", got.Networks, want.Networks)
	}
	t.Fatal("they differ")
}

// Objects that an edit does not touch are not rendered again.
func TestAMemoryKeepsWhatHasNotChanged(t *testing.T) {
	t.Parallel()
	var memory resolve.Memory
	resolve := func(web string) reconcile.Desired {
		objects := reconciletest.Load(t, reconciletest.Container("db", "envFrom: [{configMapRef: {name: settings}}]")+reconciletest.Container("web", web)+reconciletest.Header+"Config\nmetadata: {name: settings}\ndata: {A: a}\n")
		return memory.Resolve(resolve.Input{Objects: objects, Images: reconciletest.Resolved(objects, reconciletest.Command), Node: reconciletest.TestNode})
	}
	before := resolve("args: [one]").Workloads
	after := resolve("args: [two]").Workloads
	if before["db.service"].Bundle != after["db.service"].Bundle {
		t.Error("db was resolved again, and is as it was")
	}
	if reflect.DeepEqual(before["web.service"], after["web.service"]) {
		t.Error("web is as it was, and its manifest is not")
	}
}

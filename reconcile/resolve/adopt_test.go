package resolve_test

import (
	"cmp"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// renderedOtherwise is a desired state as a davit renders it whose format is another one.
func renderedOtherwise(desired reconcile.Desired, format int) reconcile.Desired {
	desired.Workloads = maps.Clone(desired.Workloads)
	for unit, workload := range desired.Workloads {
		text, _, _ := units.Unsigned(workload.UnitText)
		text = strings.Replace(text, "[Install]", "TimeoutStartSec=77\n\n[Install]", 1)
		if workload.BundleDir != "" {
			text = strings.ReplaceAll(text, workload.BundleDir, workload.BundleDir+"0")
			workload.BundleDir += "0"
		}
		workload.UnitText = units.Sign(text, format)
		desired.Workloads[unit] = workload
	}
	desired.Networks = maps.Clone(desired.Networks)
	for name, network := range desired.Networks {
		network.Conflist = slices.Concat([]byte(" "), network.Conflist)
		desired.Networks[name] = network
	}
	return desired
}

// onDisk are the units of a node, as a later davit finds them.
func renderedOn(n *reconciletest.Node) map[string]resolve.Rendered {
	rendered := map[string]resolve.Rendered{}
	for unit, workload := range n.Actual.Workloads {
		rendered[unit] = resolve.Rendered{workload.Ref.String(), workload.UnitText, workload.BundleDir}
	}
	return rendered
}

// upgraded returns a node to which another davit, of this format, has applied manifests, and the inputs that it recorded.
func upgraded(t *testing.T, manifests string, format int) (n *reconciletest.Node, inputs map[string]string) {
	t.Helper()
	n = reconciletest.NewNode()
	applied := renderedOtherwise(reconciletest.Resolve(t, manifests, reconciletest.Command), format)
	n.MustApply(t, applied)
	return n, resolve.AppliedInputs(applied, renderedOn(n), nil)
}

func whole(string) *bundle.Bundle { return &bundle.Bundle{} }

func TestWhatIsOnlyRenderedOtherwiseIsNoChange(t *testing.T) {
	t.Parallel()
	const data = "apiVersion: davit/v1\nkind: Config\nmetadata: {name: texts}\ndata: {A: one}\n---\n"
	manifests := data + reconciletest.Container("web", "envFrom: [{configMapRef: {name: texts}}]") + reconciletest.Container("db")
	restart := []string{"write-bundle Container/web", "write-unit Container/web", "reload systemd", "restart Container/web"}
	for name, test := range map[string]struct {
		format    int
		manifests string
		change    func(n *reconciletest.Node, inputs map[string]string)
		bundleOf  func(string) *bundle.Bundle
		want      []string
	}{
		"of another davit":     {format: units.Format + 1, manifests: manifests},
		"a comment changed":    {format: units.Format + 1, manifests: manifests + "# new\n"},
		"the manifest changed": {format: units.Format + 1, manifests: strings.Replace(manifests, "image:", "env: [{name: B, value: b}]\n  image:", 1), want: restart},
		"what it names changed": {
			format: units.Format + 1, manifests: strings.Replace(manifests, "A: one", "A: two", 1), want: restart,
		},
		"rendered in the same way from what looks the same": {
			format: units.Format, manifests: reconciletest.Container("web"), want: restart,
		},
		"its file was edited": {
			format: units.Format + 1, manifests: reconciletest.Container("web"), want: restart,
			change: func(n *reconciletest.Node, _ map[string]string) {
				current := n.Actual.Workloads["web.service"]
				current.UnitText = "# mine\n" + current.UnitText
				n.Actual.Workloads["web.service"] = current
			},
		},
		"what it was rendered from is not known": {
			format: units.Format + 1, manifests: reconciletest.Container("web"), want: restart,
			change: func(_ *reconciletest.Node, inputs map[string]string) { clear(inputs) },
		},
		"its bundle is gone": {
			format: units.Format + 1, manifests: reconciletest.Container("web"), want: restart,
			bundleOf: func(string) *bundle.Bundle { return nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := manifests
			if !strings.Contains(test.manifests, "db") {
				before = reconciletest.Container("web")
			}
			n, inputs := upgraded(t, before, test.format)
			if test.change != nil {
				test.change(n, inputs)
			}
			bundleOf := whole
			if test.bundleOf != nil {
				bundleOf = test.bundleOf
			}
			adopted := resolve.Adopt(reconciletest.Resolve(t, test.manifests, reconciletest.Command), renderedOn(n), inputs, bundleOf)
			got := []string{}
			for _, action := range reconciletest.Verbs(diff.Diff(adopted, n.Actual, diff.Options{})) {
				if !strings.HasPrefix(action, "remove-bundle ") {
					got = append(got, action)
				}
			}
			if strings.Join(got, ", ") != strings.Join(test.want, ", ") {
				t.Errorf("plan %v, want %v", got, test.want)
			}
		})
	}
}

// All units of an object come from one davit.
func TestUnitsOfAnObjectAreKeptTogether(t *testing.T) {
	t.Parallel()
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: app}\nspec: {containers: [{name: a, image: example.com/app:1}, {name: b, image: example.com/app:1}]}\n"
	n, inputs := upgraded(t, pod, units.Format+1)
	gone := renderedOn(n)
	delete(gone, "app-a.service")
	desired := reconciletest.Resolve(t, pod, reconciletest.Command)
	for unit, workload := range resolve.Adopt(desired, gone, inputs, whole).Workloads {
		if workload.UnitText != desired.Workloads[unit].UnitText {
			t.Errorf("%s is kept, and another unit of its pod is not", unit)
		}
	}
}

func TestAppliedInputs(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	before := reconciletest.Resolve(t, reconciletest.Container("web")+reconciletest.Container("db"), reconciletest.Command)
	n.MustApply(t, before)
	known := resolve.AppliedInputs(before, renderedOn(n), nil)
	web, db := before.Workloads["web.service"].Inputs, before.Workloads["db.service"].Inputs
	if web == "" || web == db || known["Container/web"] != web || known["Container/db"] != db {
		t.Fatalf("got %v", known)
	}
	after := reconciletest.Resolve(t, reconciletest.Container("web", "user: '7'"), reconciletest.Command) // and no db, which is still there
	known = resolve.AppliedInputs(after, renderedOn(n), known)
	if known["Container/web"] != web || known["Container/db"] != db {
		t.Errorf("before the change: %v", known)
	}
	n.MustApply(t, after)
	known = resolve.AppliedInputs(after, renderedOn(n), known)
	if len(known) != 1 || known["Container/web"] != after.Workloads["web.service"].Inputs {
		t.Errorf("after the change: %v", known)
	}
}

// The rendering of each golden manifest by a davit without signatures is in testdata/unsigned.
func TestUnitsWithoutASignatureAreKept(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(filepath.Join("testdata", "unsigned", "*.golden"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no renderings: %v", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".golden")
		switch name {
		case "config-variables": // binary data made variables
			continue
		case "config-files": // it has a volume without files, with which nothing started
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			manifest, err := os.ReadFile(filepath.Join("testdata", "manifests", name+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			golden, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			desired := reconciletest.Resolve(t, string(manifest), goldenImage)
			before := desired
			before.Workloads = maps.Clone(desired.Workloads)
			bundles := map[string]*bundle.Bundle{}
			for unit, workload := range before.Workloads {
				workload.UnitText = unitIn(t, string(golden), unit)
				if workload.Bundle != nil {
					workload.Bundle = bundleIn(t, string(golden), unit, workload.Bundle)
					workload.BundleDir = bundle.DirName(workload.Bundle.ID, reconciletest.Encoded(t, workload.Bundle))
					bundles[workload.BundleDir] = workload.Bundle
				}
				if !strings.Contains(workload.UnitText, workload.BundleDir) {
					t.Fatalf("%s is not of bundle %s", unit, workload.BundleDir)
				}
				before.Workloads[unit] = workload
			}
			n := reconciletest.NewNode()
			n.MustApply(t, before)
			kept := resolve.Adopt(desired, renderedOn(n), nil, func(dir string) *bundle.Bundle { return bundles[dir] })
			if plan := diff.Diff(kept, n.Actual, diff.Options{}); !plan.Empty() {
				t.Errorf("plan %v", reconciletest.Verbs(plan))
			}
		})
	}
}

// unitIn is the text of a unit in a golden file.
func unitIn(t *testing.T, golden, unit string) string {
	t.Helper()
	_, text, found := strings.Cut(golden, "-- "+unit+" --\n")
	if !found {
		t.Fatalf("no unit %s", unit)
	}
	text, _, _ = strings.Cut(text, "\n-- ")
	return strings.TrimSuffix(text, "\n") + "\n"
}

// bundleIn returns the bundle of a unit as it was when a golden file was written, from the present one: without settings that
// davit gives containers since then, and with its mounts in the earlier order.
func bundleIn(t *testing.T, golden, unit string, now *bundle.Bundle) *bundle.Bundle {
	t.Helper()
	_, text, _ := strings.Cut(golden, "-- bundle of "+unit+" --\n")
	var was struct{ Spec specs.Spec }
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&was); err != nil {
		t.Fatal(err)
	}
	b := resolve.AsBeforeSignatures(*now)
	b.Spec.Mounts = slices.Clone(now.Spec.Mounts)
	for i, mount := range b.Spec.Mounts {
		b.Spec.Mounts[i].Options = slices.DeleteFunc(slices.Clone(mount.Options), resolve.IsRecursive)
	}
	system, err := resolve.SystemMounts(resolve.Runnable{})
	if err != nil {
		t.Fatal(err)
	}
	first := min(len(system), len(b.Spec.Mounts))
	slices.SortStableFunc(b.Spec.Mounts[first:], func(one, other specs.Mount) int {
		index := func(mount specs.Mount) int {
			return slices.IndexFunc(was.Spec.Mounts, func(m specs.Mount) bool { return m.Destination == mount.Destination })
		}
		return cmp.Compare(index(one), index(other))
	})
	return b
}

package resolve_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/opencontainers/runtime-spec/specs-go"
	"pgregory.net/rapid"

	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
	"github.com/davit-project/davit/units/bundle"
)

// TestMountsNestWhateverTheirOrder mounts volumes on paths of each other, in any order.
func TestMountsNestWhateverTheirOrder(t *testing.T) {
	t.Parallel()
	paths := []string{"/data", "/data/db", "/data/db/wal", "/data/db2", "/etc/app", "/etc/app/tls", "/srv"}
	rapid.Check(t, func(rt *rapid.T) {
		var mounts []string
		for i, path := range rapid.Permutation(paths).Draw(rt, "paths") {
			mounts = append(mounts, fmt.Sprintf("{name: %s, mountPath: %s}", []string{"dir", "memory", "named"}[i%3], path))
		}
		text := reconciletest.Header + "Volume\nmetadata: {name: named}\n---\n" + reconciletest.Container("web",
			"volumes: [{name: dir, emptyDir: {}}, {name: memory, emptyDir: {medium: Memory}}]",
			"volumeMounts: ["+strings.Join(mounts, ", ")+"]")
		made := map[string]bool{}
		for _, mount := range reconciletest.Resolve(t, text, reconciletest.Command).Workloads["web.service"].Bundle.Spec.Mounts {
			for above := range made {
				if strings.HasPrefix(above, mount.Destination+"/") {
					rt.Fatalf("%s is mounted after %s, and hides it", mount.Destination, above)
				}
			}
			made[mount.Destination] = true
		}
		for _, path := range paths {
			if !made[path] {
				rt.Errorf("%s is not mounted", path)
			}
		}
	})
}

// TestVolumesOfAnImageStayWritable starts containers of an image that declares volumes.
func TestVolumesOfAnImageStayWritable(t *testing.T) {
	t.Parallel()
	image := imagespec.ImageConfig{Cmd: []string{"/app"}, Volumes: map[string]struct{}{"/data": {}, "/var/lib/app/": {}, "/proc/x": {}, "/": {}, "../up": {}}}
	for name, test := range map[string]struct {
		spec []string
		want []string
	}{
		"a root that is writable itself": {[]string{"restartPolicy: Always"}, nil},
		"a read-only root":               {[]string{"securityContext: {readOnlyRootFilesystem: true}"}, []string{"up", "data", "var/lib/app"}},
		"with mounts of the manifest": {[]string{"securityContext: {readOnlyRootFilesystem: true}", "volumes: [{name: v, emptyDir: {}}]",
			"volumeMounts: [{name: v, mountPath: /data}, {name: v, mountPath: /var/lib}]"}, []string{"up"}},
	} {
		b := reconciletest.Resolve(t, reconciletest.Container("web", test.spec...), image).Workloads["web.service"].Bundle
		var got []string
		for i, part := range b.SubPaths {
			got = append(got, part.Path)
			isMounted := slices.ContainsFunc(b.Spec.Mounts, func(mount specs.Mount) bool {
				return mount.Source == bundle.SubPathSource(i) && mount.Destination == "/"+part.Path && !slices.Contains(mount.Options, "ro")
			})
			if part.Volume != bundle.RootfsSource || !isMounted {
				t.Errorf("%s: %+v is not mounted: %+v", name, part, b.Spec.Mounts)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// TestAVolumeWithoutFilesIsThere has volumes of no files: a runtime cannot mount a directory that a bundle lacks.
func TestAVolumeWithoutFilesIsThere(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"configMap: {name: none, optional: true}", "secret: {secretName: none, optional: true}", "downwardAPI: {}", "projected: {sources: []}", "configMap: {name: empty}"} {
		desired := reconciletest.Resolve(t, reconciletest.Header+"Config\nmetadata: {name: empty}\n---\n"+reconciletest.Container("a", "volumes: [{name: v, "+source+"}]", "volumeMounts: [{name: v, mountPath: /v}]"), reconciletest.Command)
		for _, problem := range desired.Problems {
			t.Errorf("%s: %v", source, problem.Err)
		}
		mounts := desired.Workloads["a.service"].Bundle.Spec.Mounts
		if last := mounts[len(mounts)-1]; last.Destination != "/v" || last.Type != "tmpfs" || !slices.Contains(last.Options, "ro") {
			t.Errorf("%s: %+v", source, last)
		}
	}
}

// TestReadOnlyMountsAreRecursive has the node's kernel change the options of the mounts below one, or not.
func TestReadOnlyMountsAreRecursive(t *testing.T) {
	t.Parallel()
	plain := []string{"rbind", "rprivate", "nosuid", "nodev", "ro"}
	recursive := append(slices.Clone(plain), "rro", "rnosuid", "rnodev")
	for _, test := range []struct {
		mount  string
		kernel bool
		want   []string
	}{
		{"readOnly: true", true, recursive},
		{"readOnly: true, recursiveReadOnly: IfPossible", true, recursive},
		{"readOnly: true, recursiveReadOnly: Enabled", true, recursive},
		{"readOnly: true, recursiveReadOnly: Disabled", true, plain},
		{"readOnly: true", false, plain},
		{"readOnly: false", true, plain[:4]},
	} {
		objects := reconciletest.Load(t, reconciletest.Container("web", "volumes: [{name: v, hostPath: {path: /srv}}]", "volumeMounts: [{name: v, mountPath: /v, "+test.mount+"}]"))
		node := reconciletest.TestNode
		node.RecursiveReadOnly = test.kernel
		mounts := resolve.Resolve(resolve.Input{Objects: objects, Images: reconciletest.Resolved(objects, reconciletest.Command), Node: node}).Workloads["web.service"].Bundle.Spec.Mounts
		i := slices.IndexFunc(mounts, func(mount specs.Mount) bool { return mount.Destination == "/v" })
		if got := mounts[i].Options; !slices.Equal(got, test.want) {
			t.Errorf("%s, kernel %v: got %v, want %v", test.mount, test.kernel, got, test.want)
		}
	}
}

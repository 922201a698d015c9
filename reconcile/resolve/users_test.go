package resolve_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/reconciletest"
)

// TestUsersOfTheNodeInAContainer has the ids that the launcher maps, whom the container runs as, and whether the owners of a path of
// the node are those inside.
func TestUsersOfTheNodeInAContainer(t *testing.T) {
	t.Parallel()
	volumes := "volumes: [{name: home, hostPath: {path: /home/app}}, {name: work, emptyDir: {}}]\n  volumeMounts: [{name: home, mountPath: /home}, {name: work, mountPath: /work}]"
	one := func(inside, host, size uint32) []specs.LinuxIDMapping {
		return []specs.LinuxIDMapping{{ContainerID: inside, HostID: host, Size: size}}
	}
	for name, test := range map[string]struct {
		spec       string
		uids, gids []specs.LinuxIDMapping
		user       string
		mapped     string // the mounts with the owners that they have inside
	}{
		"none":              {"hostUsers: true", nil, nil, "www", ""},
		"drawn":             {"hostUsers: false", nil, nil, "www", "/home /work"},
		"a user is kept":    {"userNamespace: {keepID: {uid: 1000}}", one(1000, 1000, 1), one(1000, 1000, 1), "1000:1000", "/work"},
		"and a group":       {"userNamespace: {keepID: {uid: 1000, gid: 50}}", one(1000, 1000, 1), one(50, 50, 1), "1000:50", "/work"},
		"the user is given": {"userNamespace: {keepID: {uid: 1000}}\n  user: app", one(1000, 1000, 1), one(1000, 1000, 1), "app", "/work"},
		"by its number":     {"userNamespace: {keepID: {uid: 1000}}\n  securityContext: {runAsUser: 0}", one(1000, 1000, 1), one(1000, 1000, 1), "0", "/work"},
		"root is a user":    {"userNamespace: {uidMappings: [{containerID: 0, hostID: 1000}], gidMappings: [{containerID: 0, hostID: 2000, size: 3}]}", one(0, 1000, 1), one(0, 2000, 3), "www", "/work"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			image := reconciletest.Command
			image.User = "www"
			b := reconciletest.Resolve(t, reconciletest.Container("web", test.spec, volumes), image).Workloads["web.service"].Bundle
			if diff := cmp.Diff([][]specs.LinuxIDMapping{test.uids, test.gids}, [][]specs.LinuxIDMapping{b.UIDMappings, b.GIDMappings}); diff != "" {
				t.Error(diff)
			}
			if b.User != test.user {
				t.Errorf("it runs as %q, want %q", b.User, test.user)
			}
			if got := strings.Join(mappedMounts(b.Spec), " "); got != test.mapped {
				t.Errorf("mapped are %q, want %q", got, test.mapped)
			}
		})
	}
}

// TestAPodHasItsUsersWhole has a pod whose sandbox makes the user namespace, and whose containers convert ids by the same map.
func TestAPodHasItsUsersWhole(t *testing.T) {
	t.Parallel()
	desired := reconciletest.Resolve(t, reconciletest.Header+"Pod\nmetadata: {name: pod}\nspec:\n  userNamespace: {keepID: {uid: 1000}}\n  containers: [{name: a, image: example.com/a:1}, {name: b, image: example.com/a:1}]\n", imagespec.ImageConfig{Cmd: []string{"run"}})
	for _, unit := range []string{"pod-pod.service", "pod-a.service", "pod-b.service"} {
		b := desired.Workloads[unit].Bundle
		if want := []specs.LinuxIDMapping{{ContainerID: 1000, HostID: 1000, Size: 1}}; !slices.Equal(b.UIDMappings, want) || !slices.Equal(b.GIDMappings, want) {
			t.Errorf("%s: %v, %v", unit, b.UIDMappings, b.GIDMappings)
		}
		if unit != "pod-pod.service" && b.User != "1000:1000" {
			t.Errorf("%s runs as %q", unit, b.User)
		}
	}
}

func mappedMounts(spec *specs.Spec) []string {
	var mapped []string
	for _, mount := range spec.Mounts {
		if slices.Contains(mount.Options, reconcile.MappedMount) {
			mapped = append(mapped, mount.Destination)
		}
	}
	return mapped
}

package reconcile

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
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
		text := header + "Volume\nmetadata: {name: named}\n---\n" + container("web",
			"volumes: [{name: dir, emptyDir: {}}, {name: memory, emptyDir: {medium: Memory}}]",
			"volumeMounts: ["+strings.Join(mounts, ", ")+"]")
		made := map[string]bool{}
		for _, mount := range resolve(t, text, command).Workloads["web.service"].Bundle.Spec.Mounts {
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

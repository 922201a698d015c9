package reconcile

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatBlocksAUnit(t *testing.T) {
	t.Parallel()
	chain := container("db") + container("cache", "dependsOn: [{name: db, condition: Ready}]") +
		container("web", "dependsOn: [{name: cache, condition: Ready}, {name: other}]") + container("other")
	running, stopped := ActualWorkload{Active: "active"}, ActualWorkload{Active: "inactive", Sub: "dead"}
	failed := ActualWorkload{Active: "failed", Sub: "failed", Result: "exit-code"}
	starting := ActualWorkload{Active: "activating", Sub: "start-post", Result: "success"}
	for name, test := range map[string]struct {
		db, cache, web ActualWorkload
		want           map[string]string
	}{
		"all run":             {running, running, running, map[string]string{}},
		"the root has failed": {failed, stopped, stopped, map[string]string{"cache.service": "waits for Container/db, which is failed (exit-code)", "web.service": "waits for Container/db, which is failed (exit-code)"}},
		"the root is not ready": {starting, stopped, stopped, map[string]string{
			"cache.service": "waits for Container/db, which is activating (start-post)", "web.service": "waits for Container/db, which is activating (start-post)",
		}},
		"what is wanted blocks nothing": {running, running, stopped, map[string]string{}},
		"one is not there":              {running, failed, stopped, map[string]string{"web.service": "waits for Container/cache, which is failed (exit-code)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			desired := resolve(t, chain, command)
			actual := Actual{Workloads: map[string]ActualWorkload{
				"db.service": test.db, "cache.service": test.cache, "web.service": test.web, "other.service": stopped,
			}}
			for unit, workload := range actual.Workloads {
				workload.Ref = desired.Workloads[unit].Ref
				actual.Workloads[unit] = workload
			}
			got := map[string]string{}
			for unit, blocker := range Blocked(desired, actual) {
				got[unit] = blocker.String()
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

package reconcile_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
)

func TestWhatBlocksAUnit(t *testing.T) {
	t.Parallel()
	chain := reconciletest.Container("db") + reconciletest.Container("cache", "dependsOn: [{name: db, condition: Ready}]") +
		reconciletest.Container("web", "dependsOn: [{name: cache, condition: Ready}, {name: other}]") + reconciletest.Container("other")
	running, stopped := reconcile.ActualWorkload{Active: "active"}, reconcile.ActualWorkload{Active: "inactive", Sub: "dead"}
	failed := reconcile.ActualWorkload{Active: "failed", Sub: "failed", Result: "exit-code"}
	starting := reconcile.ActualWorkload{Active: "activating", Sub: "start-post", Result: "success"}
	for name, test := range map[string]struct {
		db, cache, web reconcile.ActualWorkload
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
			desired := reconciletest.Resolve(t, chain, reconciletest.Command)
			actual := reconcile.Actual{Workloads: map[string]reconcile.ActualWorkload{
				"db.service": test.db, "cache.service": test.cache, "web.service": test.web, "other.service": stopped,
			}}
			for unit, workload := range actual.Workloads {
				workload.Ref = desired.Workloads[unit].Ref
				actual.Workloads[unit] = workload
			}
			got := map[string]string{}
			for unit, blocker := range diff.Blocked(desired, actual) {
				got[unit] = blocker.String()
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

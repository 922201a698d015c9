package reconcile_test

import (
	"testing"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/units/names"
)

// TestAQueuedStartIsJudgedFromWhenItCouldBegin has the start of db queued for longer than its deadline.
func TestAQueuedStartIsJudgedFromWhenItCouldBegin(t *testing.T) {
	t.Parallel()
	now := time.Unix(10_000, 0)
	text := reconciletest.Container("db", "updatePolicy: {progressDeadlineSeconds: 8}") +
		reconciletest.Container("web", "dependsOn: [{name: db}]") + reconciletest.Container("old", "dependsOn: [{name: db, condition: Ready}]") + reconciletest.Container("other")
	for name, test := range map[string]struct {
		unit, active, job string
		want              history.Progress
	}{
		"while its dependant stops":                       {"web.service", "deactivating", "restart", history.Starting},
		"while its dependant is still to stop":            {"web.service", "active", "restart", history.Starting},
		"while a dependant stops that is not wanted":      {"old.service", "deactivating", "stop", history.Starting},
		"while what has nothing to do with it stops":      {"other.service", "deactivating", "stop", history.Broken},
		"once its dependant has stopped and waits for it": {"web.service", "inactive", "start", history.Broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := reconciletest.NewNode()
			n.MustApply(t, reconciletest.Resolve(t, text, reconciletest.Command))
			desired := reconciletest.Resolve(t, reconciletest.Container("db", "updatePolicy: {progressDeadlineSeconds: 8}")+reconciletest.Container("web", "dependsOn: [{name: db}]")+reconciletest.Container("other"), reconciletest.Command)
			db, other := n.Actual.Workloads["db.service"], n.Actual.Workloads[test.unit]
			db.Active, db.Job, db.Run = "inactive", "start", &reconcile.Run{Queued: now.Add(-25 * time.Second)}
			other.Active, other.Job = names.ActiveState(test.active), test.job
			n.Actual.Workloads["db.service"], n.Actual.Workloads[test.unit] = db, other
			if got := history.Judge(desired, n.Actual, map[string]string{"Container/db": ""}, now)["Container/db"]; got.Progress != test.want {
				t.Errorf("it is %s (%s), want %s", got.Progress, got.Reason, test.want)
			}
		})
	}
}

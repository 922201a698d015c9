package reconcile

import (
	"testing"
	"time"

	"github.com/davit-project/davit/units/names"
)

// TestAQueuedStartIsJudgedFromWhenItCouldBegin has the start of db queued for longer than its deadline.
func TestAQueuedStartIsJudgedFromWhenItCouldBegin(t *testing.T) {
	t.Parallel()
	now := time.Unix(10_000, 0)
	text := container("db", "updatePolicy: {progressDeadlineSeconds: 8}") +
		container("web", "dependsOn: [{name: db}]") + container("old", "dependsOn: [{name: db, condition: Ready}]") + container("other")
	for name, test := range map[string]struct {
		unit, active, job string
		want              Progress
	}{
		"while its dependant stops":                       {"web.service", "deactivating", "restart", Starting},
		"while its dependant is still to stop":            {"web.service", "active", "restart", Starting},
		"while a dependant stops that is not wanted":      {"old.service", "deactivating", "stop", Starting},
		"while what has nothing to do with it stops":      {"other.service", "deactivating", "stop", Broken},
		"once its dependant has stopped and waits for it": {"web.service", "inactive", "start", Broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode()
			n.mustApply(t, resolve(t, text, command))
			desired := resolve(t, container("db", "updatePolicy: {progressDeadlineSeconds: 8}")+container("web", "dependsOn: [{name: db}]")+container("other"), command)
			db, other := n.actual.Workloads["db.service"], n.actual.Workloads[test.unit]
			db.Active, db.Job, db.Run = "inactive", "start", &Run{Queued: now.Add(-25 * time.Second)}
			other.Active, other.Job = names.ActiveState(test.active), test.job
			n.actual.Workloads["db.service"], n.actual.Workloads[test.unit] = db, other
			if got := Judge(desired, n.actual, map[string]string{"Container/db": ""}, now)["Container/db"]; got.Progress != test.want {
				t.Errorf("it is %s (%s), want %s", got.Progress, got.Reason, test.want)
			}
		})
	}
}

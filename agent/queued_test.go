package agent

import (
	"testing"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/names"
)

func TestTheTimeOfAQueuedStartBeginsWithWhatNothingPrecedes(t *testing.T) {
	t.Parallel()
	begin := time.Unix(10_000, 0)
	unit := func(name string) *units.Unit { return &units.Unit{Head: units.Head{Name: name}} }
	desired := reconcile.Desired{Workloads: map[string]reconcile.Workload{"db.service": {Unit: unit("db.service")}, "web.service": {Unit: unit("web.service")}}}
	n := &Node{}
	for _, look := range []struct {
		name        string
		second      int
		active, job string
		judged      bool
		web         string
		want        time.Time
	}{
		{"its dependant stops", 0, "inactive", "start", true, "deactivating", time.Time{}},
		{"nothing precedes it", 25, "inactive", "start", true, "inactive", begin.Add(25 * time.Second)},
		{"a look that does not judge it", 26, "inactive", "start", false, "inactive", time.Time{}},
		{"the same start", 30, "inactive", "start", true, "inactive", begin.Add(25 * time.Second)},
		{"it has started, and is not judged any more", 40, "active", "", false, "active", time.Time{}},
		{"another start", 90, "inactive", "start", true, "active", begin.Add(90 * time.Second)},
		{"which begins", 91, "activating", "start", true, "active", time.Time{}},
	} {
		db := reconcile.ActualWorkload{Active: names.ActiveState(look.active), Job: look.job}
		if look.judged {
			db.Run = &reconcile.Run{}
		}
		n.noteQueued(desired, map[string]reconcile.ActualWorkload{
			"db.service": db, "web.service": {Active: names.ActiveState(look.web), UnitText: "[Unit]\nAfter=db.service\n"},
		}, begin.Add(time.Duration(look.second)*time.Second))
		if look.judged && !db.Run.Queued.Equal(look.want) {
			t.Errorf("%s: queued since %v, want %v", look.name, db.Run.Queued, look.want)
		}
	}
}

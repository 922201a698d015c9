package agent

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

func TestUnitsThatRunWithoutARecord(t *testing.T) {
	t.Parallel()
	b := &bundle.Bundle{}
	got := unrecorded(reconcile.Actual{Workloads: map[string]reconcile.ActualWorkload{
		"lost.service":     {Active: "active", Bundle: b},
		"runs.service":     {Active: "active", Bundle: b, RunningDir: "runs-1"},
		"down.service":     {Active: "inactive", Bundle: b},
		"starting.service": {Active: "activating", Bundle: b},
		"cron.timer":       {Active: "active"},
	}})
	if diff := cmp.Diff(map[string]bool{"lost.service": true}, got); diff != "" {
		t.Error(diff)
	}
}

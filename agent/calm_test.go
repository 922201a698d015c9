package agent

import (
	"testing"
	"time"

	"github.com/davit-project/davit/reconcile"
)

func TestRestartsAreForgottenAfterACalmTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	const growing = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestartSec=1\nRestartSteps=8\nRestartMaxDelaySec=300\n"
	calmed := reconcile.ActualWorkload{Active: "active", Restarts: 3, Since: now.Add(-10 * time.Minute), UnitText: growing}
	for name, test := range map[string]struct {
		change func(*reconcile.ActualWorkload)
		want   bool
	}{
		"runs well for ten minutes":     {func(*reconcile.ActualWorkload) {}, true},
		"runs for less":                 {func(w *reconcile.ActualWorkload) { w.Since = now.Add(-9 * time.Minute) }, false},
		"was never restarted":           {func(w *reconcile.ActualWorkload) { w.Restarts = 0 }, false},
		"waits for its next start":      {func(w *reconcile.ActualWorkload) { w.Active = "activating" }, false},
		"is restarted at the same pace": {func(w *reconcile.ActualWorkload) { w.UnitText = "[Service]\nRestartSec=1\n" }, false},
		"may be restarted three times": {func(w *reconcile.ActualWorkload) {
			w.UnitText = "[Unit]\nStartLimitIntervalSec=infinity\nStartLimitBurst=4\n[Service]\nRestartSteps=8\n"
		}, false},
	} {
		workload := calmed
		test.change(&workload)
		if got := hasCalmedDown(workload, now); got != test.want {
			t.Errorf("a container that %s: got %t", name, got)
		}
	}
}

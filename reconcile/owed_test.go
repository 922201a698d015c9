package reconcile

import (
	"slices"
	"testing"
)

// TestATimerThatComesBackWhileItStopsIsStartedAgain deletes a CronJob and adds it again before its timer has gone: it
// was davit that stopped the timer, not an operator.
func TestATimerThatComesBackWhileItStopsIsStartedAgain(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"CronJob", "CronJob, Allow", "Deployment"} {
		s := newSimulation()
		with, without := load(t, shapes[kind]+"---\n"+container("stay")), load(t, container("stay"))
		for range 10 {
			s.pass(with, "with")
			s.tick()
		}
		s.pass(without, "without")
		s.tick()
		s.calls = nil
		for range 10 {
			s.pass(with, "with")
			s.tick()
		}
		desired := s.desire(with)
		for unit, workload := range desired.Workloads {
			if workload.Keep == KeepRunning && !s.runs(unit, desired) {
				t.Errorf("%s: %s is %s", kind, unit, s.actual.Workloads[unit].Active)
			}
			if workload.Keep == KeepApart || workload.Keep == KeepIdle {
				if slices.Contains(s.calls, "start "+unit) {
					t.Errorf("%s: %s is started", kind, unit)
				}
			}
		}
	}
}

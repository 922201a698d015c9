package reconcile

import (
	"errors"
	"fmt"

	"github.com/davit-project/davit/units"
)

// Ended reports whether the start or the stop of a unit that was begun has ended, and with which error.
// What is not wanted any more has ended well.
func Ended(action Action, desired Desired, actual Actual) (ended bool, err error) {
	current, exists := actual.Workloads[action.Target]
	if action.Verb == Stop {
		return !exists || current.down(), nil
	}
	workload := desired.Workload(action.Target)
	_, completed := actual.Completed[workload.BundleDir]
	switch {
	case !exists || workload.UnitText == "" || workload.UnitText != current.UnitText, completed:
		return true, nil
	case current.settled(workload):
		return true, nil
	case !current.down():
		return false, nil
	case workload.Keep != KeepRunning && current.Active == "inactive" && current.Started && current.Result == "success":
		return true, nil
	}
	d := &differ{desired: desired, actual: actual}
	if blocker, blocked := d.blocks(action.Target, nil); blocked {
		return true, fmt.Errorf("%w: %s", units.ErrDependency, blocker)
	}
	if current.Active == "failed" {
		return true, errors.New("it failed" + current.ending())
	}
	return true, fmt.Errorf("it is %s", current.condition())
}

package diff

import (
	"errors"
	"fmt"
	"slices"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/names"
)

// Ended reports whether an action that has begun has ended, and with which error: the start or the stop of a unit, or an action
// on an image. An action that is not desired any more has ended without error.
func Ended(action reconcile.Action, desired reconcile.Desired, actual reconcile.Actual) (ended bool, err error) {
	if action.IsFetch() {
		return fetched(action, desired, actual), nil
	}
	current, exists := actual.Workloads[action.Target]
	if action.Verb == reconcile.Repair {
		return !exists || current.IsDown() || current.Missing == "", nil
	}
	if action.Verb == reconcile.Stop {
		return !exists || current.IsDown(), nil
	}
	workload := desired.Workload(action.Target)
	_, completed := actual.Completed[workload.BundleDir]
	switch {
	case !exists || workload.UnitText == "" || workload.UnitText != current.UnitText, completed:
		return true, nil
	case current.IsSettled(workload):
		return true, nil
	case !current.IsDown():
		return false, nil
	case workload.Keep != reconcile.KeepRunning && current.Active == names.Inactive && current.Started && current.Result == "success":
		return true, nil
	}
	d := &differ{desired: desired, actual: actual}
	if d.heldByOperator(action.Target).By != "" {
		return true, nil
	}
	if blocker, blocked := d.blocks(action.Target, nil); blocked {
		return true, fmt.Errorf("%w: %s", units.ErrDependency, blocker)
	}
	if current.Active == names.Failed {
		return true, errors.New("it failed" + current.Ending())
	}
	return true, fmt.Errorf("it is %s", current.Condition())
}

// fetched reports whether an image is in the state that an action leads to.
func fetched(action reconcile.Action, desired reconcile.Desired, actual reconcile.Actual) bool {
	if action.Verb == reconcile.ReleaseImage || action.Verb == reconcile.DeleteImage {
		_, exists := actual.Images[action.Target]
		return !exists
	}
	image, wanted := desired.Images[action.Target]
	return !wanted || slices.Contains(actual.Images[image.ID], action.Target)
}

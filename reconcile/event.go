package reconcile

// Status is how far an action has come.
type Status string

// Event reports to an observer of [Apply] about one action.
type Event struct {
	Action Action
	Status Status
	// Err is set when the action failed, was skipped or is pending.
	Err error
}

// Ended reports whether the action was tried, and is not under way any more.
func (e Event) Ended() bool { return e.Status == Done || e.Status == Failed }

// The statuses of an action.
const (
	Begun  Status = "begun"
	Done   Status = "done"
	Failed Status = "failed"
	// Pending is an action that is under way, as a start or a pull is, or that waits for one which is.
	Pending Status = "pending"
	// Skipped is an action that was not tried, because one that it needs failed.
	Skipped Status = "skipped"
)

package reconcile

import "time"

// Waiting is the error of something that is under way: it has neither succeeded nor failed.
// An object that needs it stays as it is until then.
type Waiting struct {
	// For is the awaited event, for people: "pull of example.com/app:2: 34 % of 120 MiB".
	For string
	// Blocked is set where that does not end by itself.
	Blocked bool
}

// Error implements [error].
func (w Waiting) Error() string { return w.For }

// Retry is the error of something that failed and is tried again at a known time.
type Retry struct {
	// Err is why it failed.
	Err error
	// At is the time of the next try.
	At time.Time
}

// Error implements [error].
func (r Retry) Error() string { return r.Err.Error() }

// Unwrap returns the cause.
func (r Retry) Unwrap() error { return r.Err }

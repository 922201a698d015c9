package e2e

import (
	"context"
	"time"
)

// Until calls a function until it succeeds or the time is over, and returns the
// function's last error. It asks often at first and less often later, and is idle for most of the time: a busy
// machine delays the awaited event, here and in the scenarios that run at the same time.
func Until(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	const first, last, longest = 10 * time.Millisecond, 200 * time.Millisecond, 700 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var err error
	for pause := first; ; pause = min(2*pause, last) {
		select {
		case <-timer.C:
		case <-ctx.Done():
			if err == nil {
				err = ctx.Err()
			}
			return err
		}
		began := time.Now()
		asked := f(ctx)
		if asked == nil {
			return nil
		}
		// An error of the deadline explains less than one of the call itself.
		if ctx.Err() == nil || err == nil {
			err = asked
		}
		timer.Reset(max(pause, min(3*time.Since(began), longest)))
	}
}

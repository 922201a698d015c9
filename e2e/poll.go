package e2e

import (
	"context"
	"time"
)

// Until calls a function until it succeeds or the time is over, and returns the
// function's last error. It asks often at first and less often later.
func Until(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	const first, last = 10 * time.Millisecond, 200 * time.Millisecond
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
		asked := f(ctx)
		if asked == nil {
			return nil
		}
		// What was cut short by the time says less than what failed by itself.
		if ctx.Err() == nil || err == nil {
			err = asked
		}
		timer.Reset(pause)
	}
}

package agent

import (
	"math/rand/v2"
	"time"

	"github.com/davit-project/davit/agent/disk"
)

// retry is the wait after a failure.
func (a *Agent) retry(err error) time.Duration { return retryWait(a.failures, err) }

// retryWait grows the wait after failures in a row, with some chance in it so that many nodes
// do not ask one registry at the same time. Room that comes back is used soon.
func retryWait(failures int, err error) time.Duration {
	longest := maxRetry
	if disk.IsUnwritable(err) {
		longest = disk.RoomRetry
	}
	wait := min(minRetry<<min(failures, 10), longest)
	return wait/2 + rand.N(wait)
}

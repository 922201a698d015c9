package lifecycle

import (
	"time"

	"github.com/davit-project/davit/units/bundle"
)

// maxDrain is how long a replica that is about to stop still serves clients that looked up its name before, if other replicas are ready.
// C libraries read /etc/hosts at each look-up, and the connection follows within milliseconds, or after some hundreds of them on a node
// that is busy. Clients that cache names for longer, such as Go's resolver for five seconds, are served only as long as a preStop hook
// sleeps.
const maxDrain = time.Second

// drainOf is how long a replica serves, of its grace period. A hook that sleeps as long does the same.
func drainOf(grace time.Duration, hook *bundle.Hook) time.Duration {
	drain := min(maxDrain, grace/4)
	if hook != nil && time.Duration(hook.SleepSeconds)*time.Second >= drain {
		return 0
	}
	return drain
}

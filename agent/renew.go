package agent

import "errors"

// ErrRenew is why [Agent.Run] ends where the program is to execute itself again: it manages far fewer units than it has
// managed. Go gives back only empty pages, and keeps about twice as many as the remaining objects need.
var ErrRenew = errors.New("far fewer units are left than there were: the agent executes itself again, to give memory back")

// renewFrom is the number of units from which on an agent renews itself: fewer take a few MiB.
const renewFrom = 400

// growth is how many units the agent has managed at most, and how many it manages now.
type growth struct{ most, now int }

func (g *growth) note(units int) { g.most, g.now = max(g.most, units), units }

// outgrown reports whether at most a quarter of the units is left.
func (g *growth) outgrown() bool { return g.most >= renewFrom && g.now <= g.most/4 }

// isQuiet reports whether the agent waits for nothing: it would lose that when it executes itself.
func (a *Agent) isQuiet() bool {
	return a.tellAt.IsZero() && len(a.upcoming.Objects) == 0 && len(a.reconciler.flights) == 0 && !a.node.fetcher.Pending()
}

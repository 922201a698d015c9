package agent

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/reconcile"
)

// soakCheck is how often changes are looked at that have yet to show that they work, though no unit is heard
// to change.
const soakCheck = 30 * time.Second

// soaking is an object that was changed, and has yet to show for a while that it works.
type soaking struct {
	version reconcile.Version
	// invocations are the runs of its units that the change began.
	invocations map[string]string
	until       time.Time
}

// soak adds the changes of the newest generation to those that are watched, now that a pass has ended.
func (n *Node) soak(ctx context.Context, watched map[string]soaking, result Result, now time.Time) map[string]soaking {
	kept, err := n.generations.List()
	if err != nil || len(kept) == 0 {
		return watched // a pass has told of it
	}
	fresh := map[string]soaking{}
	for object, soaking := range watched {
		if kept[0].Objects[object] == soaking.version {
			fresh[object] = soaking
		}
	}
	for unit, workload := range result.Desired.Workloads {
		object := workload.Ref.String()
		invocation, own := result.Started[unit]
		until := kept[0].Began.Add(workload.Update.Soak)
		if own {
			until = now.Add(workload.Update.Soak) // from when it was ready
		}
		if workload.Keep != reconcile.KeepRunning || workload.Unit == nil || !kept[0].Works(object) || !changed(object, kept) || until.Before(now) {
			continue
		}
		known, ok := fresh[object]
		if !ok {
			known = soaking{version: kept[0].Objects[object], invocations: map[string]string{}, until: until}
		}
		if own {
			known.invocations[unit] = invocation
		} else if known.invocations[unit] == "" { // another davit started it
			state, err := n.Systemd.State(ctx, unit)
			if err != nil {
				continue // it is watched from the next pass on
			}
			known.invocations[unit] = state.Invocation
		}
		fresh[object] = known
	}
	return fresh
}

// changed reports whether the newest generation has the object as none before it, but otherwise.
func changed(object string, kept []reconcile.Generation) bool {
	before := false
	for _, earlier := range kept[1:] {
		if earlier.Works(object) && earlier.Objects[object] == kept[0].Objects[object] {
			return false
		}
		before = before || earlier.Works(object)
	}
	return before
}

// proved looks at what is watched. It forgets what has run for long enough, and returns what does
// not work, and why.
func (n *Node) proved(ctx context.Context, watched map[string]soaking, now time.Time) map[string]string {
	failed := map[string]string{}
	for object, soaking := range watched {
		for unit, invocation := range soaking.invocations {
			state, err := n.Systemd.State(ctx, unit)
			if err != nil {
				continue // seen at the next look
			}
			restarting := state.ActiveState == "activating" && state.SubState == "auto-restart"
			// systemd counts no restart that somebody asked for, but goes on counting over versions.
			restarted := state.Restarts > 0 && state.Invocation != invocation
			if restarted || restarting || state.ActiveState == "failed" {
				failed[object] = n.withCause(ctx, unit, fmt.Errorf("%s ended soon after its start (%s)", unit, state.Result)).Error()
			}
		}
	}
	maps.DeleteFunc(watched, func(object string, s soaking) bool { return failed[object] == "" && s.until.Before(now) })
	return failed
}

// distrust takes note that a version of an object does not work, in whatever generation it is, and
// decides what is to be as it was before.
func (n *Node) distrust(ctx context.Context, set *manifests.Set, object string, version reconcile.Version, reason string) error {
	unlock, err := Lock(ctx, func(string) {})
	if err != nil {
		return err
	}
	defer unlock()
	v, err := n.look(ctx, set)
	if err != nil {
		return err
	}
	for i := range v.kept {
		if v.kept[i].Objects[object] != version {
			continue
		}
		v.kept[i].Fail(object, reason)
		if err := n.generations.Finish(v.kept[i]); err != nil {
			return err
		}
	}
	if len(v.kept) == 0 {
		return nil // the history was lost meanwhile, and there is nothing to go back to
	}
	_, err = n.takeBack(v, v.kept[0])
	return err
}

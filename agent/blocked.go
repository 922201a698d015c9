package agent

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// letGoWithin is an upper bound for the time between the launcher's message to systemd and the moment when it lets the container
// run: systemd is up to date by then.
const letGoWithin = time.Second

// restartBlocked restarts containers that systemd takes for running while their process still waits for the
// launcher, which was killed before it could let it go on. It returns their units, and whether there are others,
// which the launcher may let go on yet.
func (n *Node) restartBlocked(ctx context.Context, actual reconcile.Actual) (restarted []string, fresh bool, err error) {
	var failures []error
	for unit, workload := range actual.Workloads {
		id, service := names.CutService(unit)
		if !service || workload.Active != names.Active {
			continue
		}
		if _, err := os.Lstat(bundle.WaitFIFO(id)); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			failures = append(failures, err)
			continue
		}
		state, err := n.Systemd.Running(ctx, unit)
		switch up := time.Since(time.UnixMicro(int64(state.Entered))); {
		case err != nil:
		case state.ActiveState != names.Active:
		case up < letGoWithin:
			fresh = true
		default:
			if err = n.Systemd.QueueRestart(ctx, unit); err == nil {
				restarted = append(restarted, unit)
			}
		}
		failures = append(failures, err)
	}
	return restarted, fresh, errors.Join(failures...)
}

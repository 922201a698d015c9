package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// calm is how long a container has to run before its earlier restarts no longer count.
const calm = bundle.Calm

// changedUnits are the units that changed since their restarts were last looked at. Its methods may be
// called from several goroutines; the zero value knows none.
type changedUnits struct {
	mu      sync.Mutex
	changed map[string]bool
	missed  bool // it may have been any
}

// note takes note of a unit that was heard to change; "" may be any.
func (c *changedUnits) note(unit string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = map[string]bool{}
	}
	c.changed[unit] = true
	c.missed = c.missed || unit == ""
}

// take returns them and empties the list. All units that have ended since the boot may be among them.
func (c *changedUnits) take() (map[string]bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.changed
	if c.missed {
		ended, err := os.ReadDir(bundle.LastRunsDir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("find units that ended: %w", err)
		}
		for _, run := range ended {
			taken[names.Service(run.Name())] = true
		}
	}
	c.changed, c.missed = nil, false
	return taken, nil
}

// resetRestarts makes the wait before the next restart short again for units that have run well for long: systemd itself counts
// restarts until the unit is stopped, so a container that crashes once a month would wait longer each time.
func (n *Node) resetRestarts(ctx context.Context, heard *changedUnits, actual reconcile.Actual, now time.Time) error {
	changed, err := heard.take()
	failures := []error{err}
	for unit := range changed {
		if workload, own := actual.Workloads[unit]; !own || !units.BacksOff(workload.UnitText) {
			continue // they do not make its next one wait: they may be bounded, and people look at them
		}
		state, err := n.Systemd.State(ctx, unit)
		if err == nil && hasCalmedDown(state, now) {
			err = n.Systemd.ForgetRestarts(ctx, unit)
			state.Restarts = 0
		}
		if err != nil || state.Restarts > 0 {
			heard.note(unit)
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// hasCalmedDown reports whether a unit's restarts count no more.
func hasCalmedDown(state units.State, now time.Time) bool {
	return state.Restarts > 0 && state.ActiveState == names.Active && now.Sub(time.UnixMicro(int64(state.Since))) >= calm
}

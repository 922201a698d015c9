package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/davit-project/davit/agent/cgroup"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
	"github.com/davit-project/davit/units/systemd"
)

// limitsFile notes which [limits] the running containers live within.
const limitsFile = bundle.RunDir + "/limits"

// limits tell the limits that systemd has read for units from later ones: which reload read them, and
// with which drop-ins, for systemctl set-property needs no reload.
type limits struct{ reload, dropIns string }

func (n *Node) limits(ctx context.Context) (limits, error) {
	reload, err := n.Systemd.LastReload(ctx)
	if err != nil {
		return limits{}, err
	}
	dropIns, err := systemd.DropIns()
	return limits{reload, dropIns}, err
}

func (l limits) String() string { return l.reload + "\n" + l.dropIns }

// followed reports whether the running containers live within them.
func (l limits) followed() bool {
	text, err := os.ReadFile(limitsFile)
	return err == nil && string(text) == l.String()
}

// followLimits applies the limits that systemd has read for units and slices, changed by a manifest or with systemctl edit, to
// the running containers and their view of them. If they were applied before a plan was carried out, only limits that the plan
// wrote can have changed.
func (n *Node) followLimits(ctx context.Context, before limits, plan reconcile.Plan) error {
	now := before
	if !plan.Empty() {
		var err error
		if now, err = n.limits(ctx); err != nil {
			return err
		}
	}
	if now.followed() {
		return nil
	}
	entries, err := os.ReadDir(bundle.AttachmentsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("find running containers: %w", err)
	}
	written, all := plan.Written(), !before.followed() || before.dropIns != now.dropIns
	for unit := range written {
		all = all || names.IsSlice(unit)
	}
	applied := map[string]bool{}
	var failures []error
	for _, entry := range entries {
		if unit := names.Service(entry.Name()); all || written[unit] {
			failures = append(failures, n.followLimitsOf(ctx, unit, applied))
		}
	}
	if err := errors.Join(failures...); err != nil {
		return err
	}
	if err := os.WriteFile(limitsFile, []byte(now.String()), 0o600); err != nil {
		return fmt.Errorf("note the limits of containers: %w", err)
	}
	return nil
}

// followLimitsOf does so for one unit; applied are the units that were done already.
func (n *Node) followLimitsOf(ctx context.Context, unit string, applied map[string]bool) error {
	group, err := n.Systemd.ControlGroup(ctx, unit)
	if err != nil || group == "" {
		return err // it ends at this moment
	}
	for _, name := range strings.Split(strings.TrimPrefix(group, "/"), "/") {
		if applied[name] || name == "" {
			continue
		}
		// The kernel's tree names some units with a '_' before, see cg_escape in systemd.
		if names.IsService(name) {
			name = unit
		}
		if err := n.Systemd.ApplyLimits(ctx, name); err != nil {
			return err
		}
		applied[name] = true
	}
	return cgroup.CopyLimits(group)
}

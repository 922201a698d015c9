package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/davit-project/davit/agent/cgroup"
	"github.com/davit-project/davit/units/bundle"
)

// followLimits has the running containers live within the limits that systemd has read for their
// units and slices, changed by a manifest or with systemctl edit, and see them.
func (n *Node) followLimits(ctx context.Context) error {
	running, err := os.ReadDir(bundle.AttachmentsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("find running containers: %w", err)
	}
	var failures []error
	applied := map[string]bool{}
	for _, entry := range running {
		failures = append(failures, n.followLimitsOf(ctx, entry.Name()+".service", applied))
	}
	return errors.Join(failures...)
}

// followLimitsOf does so for one unit; applied are the units that were done already.
func (n *Node) followLimitsOf(ctx context.Context, unit string, applied map[string]bool) error {
	state, err := n.Systemd.State(ctx, unit)
	if err != nil || state.ControlGroup == "" {
		return err // it ends at this moment
	}
	for _, name := range strings.Split(strings.TrimPrefix(state.ControlGroup, "/"), "/") {
		if applied[name] || name == "" {
			continue
		}
		// The kernel's tree names some units with a '_' before, see cg_escape in systemd.
		if strings.HasSuffix(name, ".service") {
			name = unit
		}
		if err := n.Systemd.ApplyLimits(ctx, name); err != nil {
			return err
		}
		applied[name] = true
	}
	return cgroup.CopyLimits(state.ControlGroup)
}

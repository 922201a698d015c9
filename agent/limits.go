package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/davit-project/davit/agent/cgroup"
	"github.com/davit-project/davit/units/bundle"
)

// followLimits has the running containers see their units' limits as they are now: changed by a
// manifest, with systemctl edit or with systemctl set-property. systemd has put them on the
// units' control groups by the time it answers a reload.
func (n *Node) followLimits(ctx context.Context) error {
	running, err := os.ReadDir(bundle.AttachmentsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("find running containers: %w", err)
	}
	var failures []error
	for _, entry := range running {
		state, err := n.Systemd.State(ctx, entry.Name()+".service")
		if err == nil && state.ControlGroup != "" {
			err = cgroup.CopyLimits(state.ControlGroup)
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

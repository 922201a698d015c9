package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units/bundle"
)

// cleanUpTimeout bounds the clean-up after one container.
const cleanUpTimeout = time.Minute

// cleanUpStopped removes what containers left that are down and stay so: their clean-up was killed, or they
// waited for their next start when they were stopped, and kept their network for it.
func (n *Node) cleanUpStopped(ctx context.Context, actual reconcile.Actual) error {
	ids := map[string]bool{}
	for _, dir := range []string{bundle.AttachmentsDir, bundle.ContainersDir} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("find what containers left: %w", err)
		}
		for _, entry := range entries {
			ids[entry.Name()] = true
		}
	}
	var failures []error
	for id := range ids {
		if own, ok := actual.Workloads[id+".service"]; ok && !isDown(own.Active) {
			continue
		}
		failures = append(failures, n.cleanUpAfter(ctx, id))
	}
	return errors.Join(failures...)
}

// cleanUpAfter cleans up after one container, unless it is up. It does so in a service of its own: this process
// sees another tree of mounts than the launcher that made them.
func (n *Node) cleanUpAfter(ctx context.Context, id string) error {
	if down, err := n.isDown(ctx, id); !down || err != nil {
		return err
	}
	name := "davit-cleanup-" + strings.ReplaceAll(id, "@", ".") + ".service"
	_, err := n.Systemd.RunCommand(ctx, name, "Clean-up after "+id, []string{n.facts.Launcher, "cleanup", id}, cleanUpTimeout)
	if err == nil {
		return nil
	}
	// The launcher leaves alone what has been started meanwhile.
	if down, failure := n.isDown(ctx, id); !down && failure == nil {
		return nil
	}
	return fmt.Errorf("clean up after %s, which is down: %w: %s cleanup %s says why", id, err, n.facts.Launcher, id)
}

func (n *Node) isDown(ctx context.Context, id string) (bool, error) {
	state, err := n.Systemd.State(ctx, id+".service")
	return isDown(state.ActiveState), err
}

// isDown reports whether a unit in this state is down, and is not about to start again.
func isDown(active string) bool { return active == "inactive" || active == "failed" }

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

// orphanTimeout bounds the clean-up after one container.
const orphanTimeout = time.Minute

// cleanUpOrphans removes what containers left whose unit is gone, and whose clean-up was killed: no start
// will do it in its stead.
func (n *Node) cleanUpOrphans(ctx context.Context, actual reconcile.Actual) error {
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
		if _, own := actual.Workloads[id+".service"]; own {
			continue
		}
		failures = append(failures, n.cleanUpOrphan(ctx, id))
	}
	return errors.Join(failures...)
}

func (n *Node) cleanUpOrphan(ctx context.Context, id string) error {
	state, err := n.Systemd.State(ctx, id+".service")
	if err != nil {
		return err
	}
	if !unread(state) || state.ActiveState != "inactive" {
		return nil // it runs on though its file was removed, or it is somebody else's by now
	}
	// A service of its own: this process sees another tree of mounts than the launcher that made them.
	name := "davit-cleanup-" + strings.ReplaceAll(id, "@", ".") + ".service"
	if _, err := n.Systemd.RunCommand(ctx, name, "Clean-up after "+id, []string{n.facts.Launcher, "cleanup", id}, orphanTimeout); err != nil {
		return fmt.Errorf("clean up after %s, which is gone: %w: %s cleanup %s says why", id, err, n.facts.Launcher, id)
	}
	return nil
}

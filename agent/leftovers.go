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
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
	"github.com/davit-project/davit/units/systemd"
)

// cleanUpTimeout bounds the clean-up after one container.
const cleanUpTimeout = time.Minute

// cleanUpStopped removes leftovers of containers that are down and stay down: their clean-up was killed, or they were stopped
// while they waited for their next start and kept their network for it. It does not wait.
func (n *Node) cleanUpStopped(ctx context.Context, actual reconcile.Actual) error {
	ids := map[string]bool{}
	for _, dir := range []string{bundle.AttachmentsDir, bundle.ContainersDir} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("find leftovers of containers: %w", err)
		}
		for _, entry := range entries {
			ids[entry.Name()] = true
		}
	}
	var failures []error
	for id := range ids {
		if own, ok := actual.Workloads[names.Service(id)]; ok && !own.Active.Down() {
			continue
		}
		if err := n.cleanUps.begin(ctx, id); err != nil && !errors.As(err, new(reconcile.Waiting)) {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// cleanUps run beside the passes: each takes as long as the container's network plugins do. Its methods
// may be called from several goroutines.
type cleanUps struct {
	systemd  *systemd.Manager
	launcher string
	// changed is called when one has ended; it must not wait.
	changed func()

	mu      sync.Mutex
	running map[string]bool
	ended   map[string]cleanUp
	group   sync.WaitGroup
}

// cleanUp is one that has ended.
type cleanUp struct {
	err error
	at  time.Time
}

// cleanUpCounts is the time for which a finished clean-up counts for the next pass: leftovers after that are cleaned up again.
const cleanUpCounts = 10 * time.Second

// begin cleans up after one container, unless it is up. It returns [reconcile.Waiting] until that has
// ended, and then once how.
func (c *cleanUps) begin(ctx context.Context, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last, ended := c.ended[id]; ended {
		delete(c.ended, id)
		if time.Since(last.at) < cleanUpCounts {
			return last.err
		}
	}
	waiting := reconcile.Waiting{For: "clean-up after " + id}
	if c.running[id] {
		return waiting
	}
	if c.running == nil {
		c.running, c.ended = map[string]bool{}, map[string]cleanUp{}
	}
	c.running[id] = true
	ctx = context.WithoutCancel(ctx) // the pass that began it does not wait
	c.group.Go(func() {
		err := c.after(ctx, id)
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.running, id)
		c.ended[id] = cleanUp{err, time.Now()}
		if c.changed != nil {
			c.changed()
		}
	})
	return waiting
}

// wait waits until those that were begun have ended.
func (c *cleanUps) wait() { c.group.Wait() }

// after cleans up after one container in a service of its own: this process sees another tree of mounts than
// the launcher that made them.
func (c *cleanUps) after(ctx context.Context, id string) error {
	if down, err := c.isDown(ctx, id); !down || err != nil {
		return err
	}
	name := names.Service("davit-cleanup-" + bundle.RuntimeID(id))
	_, err := c.systemd.RunCommand(ctx, name, "Clean-up after "+id, []string{c.launcher, "cleanup", id}, cleanUpTimeout)
	if err == nil {
		return nil
	}
	// The launcher does not touch containers that were started in the meantime.
	if down, failure := c.isDown(ctx, id); !down && failure == nil {
		return nil
	}
	return fmt.Errorf("clean up after %s, which is down: %w: %s cleanup %s says why", id, err, c.launcher, id)
}

func (c *cleanUps) isDown(ctx context.Context, id string) (bool, error) {
	state, err := c.systemd.State(ctx, names.Service(id))
	return state.ActiveState.Down(), err
}

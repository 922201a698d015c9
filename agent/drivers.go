package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/davit-project/davit/agent/bundles"
	"github.com/davit-project/davit/agent/nat"
	"github.com/davit-project/davit/agent/networks"
	"github.com/davit-project/davit/agent/volumes"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// Wait says which of systemd's jobs [Node.Apply] waits for.
type Wait int

// The ways to wait.
const (
	// WaitNone returns when the jobs are queued; systemd goes on with them.
	WaitNone Wait = iota
	// WaitServices waits until services are up, but not for oneshots to end.
	WaitServices
	// WaitAll waits for oneshots too.
	WaitAll
)

// drivers are what a plan is carried out with.
func (n *Node) drivers(services *services) reconcile.Drivers {
	return reconcile.Drivers{
		Images:    awaited{n},
		Networks:  networks.Store{PluginDirs: n.plugins, RemoveMasquerade: nat.Remove},
		Volumes:   volumes.Store{},
		Bundles:   bundles.Store{},
		UnitFiles: unitFiles{n.Systemd},
		Services:  services,
	}
}

// services starts units and waits for those it should wait for.
type services struct {
	node    *Node
	desired reconcile.Desired
	wait    Wait

	mu      sync.Mutex
	started map[string]string // the invocations that were waited for, by unit
}

// StartUnit implements [reconcile.Services].
func (s *services) StartUnit(ctx context.Context, name string) error {
	if s.waitsFor(name) {
		return s.inTime(ctx, name, s.node.Systemd.StartUnit)
	}
	return s.node.Systemd.QueueStart(ctx, name)
}

// RestartUnit implements [reconcile.Services].
func (s *services) RestartUnit(ctx context.Context, name string) error {
	if s.waitsFor(name) {
		return s.inTime(ctx, name, s.node.Systemd.RestartUnit)
	}
	return s.node.Systemd.QueueRestart(ctx, name)
}

// ReloadUnit implements [reconcile.Services].
func (s *services) ReloadUnit(ctx context.Context, name string) error {
	if s.waitsFor(name) {
		return s.inTime(ctx, name, s.node.Systemd.ReloadUnit)
	}
	return s.node.Systemd.QueueReload(ctx, name)
}

// Bounds of a stop. systemd waits for as long as the unit says three times: for the stop signal, for
// SIGKILL, and for the clean-up. A unit that says for ever is not waited for any longer than that.
const (
	stopWaits = 3
	stopExtra = time.Minute
	maxStop   = 15 * time.Minute
)

// StopUnit implements [reconcile.Services].
func (s *services) StopUnit(ctx context.Context, name string) error {
	state, err := s.node.Systemd.State(ctx, name)
	if err != nil {
		return err
	}
	limit := maxStop
	if state.StopTimeout > 0 {
		limit = stopWaits*state.StopTimeout + stopExtra
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not stopped within %s", limit))
	defer cancel()
	if err := s.node.Systemd.StopUnit(ctx, name); err != nil {
		return err
	}
	// One that waited for its next start has no clean-up of its own.
	id, service := strings.CutSuffix(name, ".service")
	if _, err := os.Lstat(filepath.Join(bundle.AttachmentsDir, id)); !service || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return s.node.cleanUpAfter(ctx, id)
}

// inTime waits for a unit no longer than its manifest lets a change take.
func (s *services) inTime(ctx context.Context, name string, start func(context.Context, string) error) error {
	limited := ctx
	if deadline := s.desired.Workload(name).Update.Deadline; deadline > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeoutCause(ctx, deadline, fmt.Errorf("not ready within %s", deadline))
		defer cancel()
	}
	if err := start(limited, name); ctx.Err() != nil && err != nil {
		return fmt.Errorf("%w: %w", units.ErrUnseen, err)
	} else if err != nil {
		return s.node.withCause(ctx, name, err)
	}
	if s.desired.Workloads[name].Update.Soak == 0 {
		return nil
	}
	// Where systemd does not tell now, the watch begins with what it tells later.
	if state, err := s.node.Systemd.State(ctx, name); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.started[name] = state.Invocation
	}
	return nil
}

func (s *services) waitsFor(name string) bool {
	unit := s.desired.Workload(name).Unit
	oneshot := unit != nil && (unit.Role == units.RoleOneshot || unit.Role == units.RoleJob)
	return s.wait == WaitAll || s.wait == WaitServices && !oneshot
}

package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/davit-project/davit/agent/bundles"
	"github.com/davit-project/davit/agent/nat"
	"github.com/davit-project/davit/agent/networks"
	"github.com/davit-project/davit/agent/volumes"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/apply"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
	"github.com/davit-project/davit/units/systemd"
)

// drivers are the drivers that carry out a plan. watched is set if later passes follow up on actions that this one begins.
func (n *Node) drivers(actual reconcile.Actual, watched bool) apply.Drivers {
	return apply.Drivers{
		Images:    n.fetcher,
		Networks:  networks.Store{PluginDirs: n.plugins, RemoveMasquerade: nat.Remove},
		Volumes:   volumes.Store{},
		Bundles:   bundles.Store{},
		UnitFiles: unitFiles{n.Systemd, n},
		Services:  services{n, actual, watched},
		Repairs:   repairs{n},
	}
}

// services has systemd start and stop units, and does not wait for it.
type services struct {
	node    *Node
	actual  reconcile.Actual
	watched bool
}

// StartUnit implements [reconcile.Services].
func (s services) StartUnit(ctx context.Context, name string) error {
	return s.begin(ctx, name, "start", s.node.Systemd.QueueStart)
}

// RestartUnit implements [reconcile.Services].
func (s services) RestartUnit(ctx context.Context, name string) error {
	return s.begin(ctx, name, "restart", s.node.Systemd.QueueRestart)
}

// ReloadUnit implements [reconcile.Services].
func (s services) ReloadUnit(ctx context.Context, name string) error {
	return s.begin(ctx, name, "reload", s.node.Systemd.QueueReload)
}

// begin queues a job that ends with the unit up. The restarts of an earlier version do not count for
// the one that begins now.
func (s services) begin(ctx context.Context, name, verb string, queue func(context.Context, string) error) error {
	if current, exists := s.actual.Workloads[name]; exists && current.Active != names.Active && current.Started {
		if err := s.node.Systemd.ForgetRestarts(ctx, name); err != nil {
			return err
		}
	}
	if err := queue(ctx, name); err != nil || !s.watched {
		return err
	}
	return reconcile.Waiting{For: verb + " of " + name}
}

// StopUnit implements [reconcile.Services].
func (s services) StopUnit(ctx context.Context, name string) error {
	if err := s.node.Systemd.QueueStop(ctx, name); err != nil {
		return err
	}
	return reconcile.Waiting{For: "stop of " + name}
}

// unitFiles keeps unit files. The record of a unit's runs is removed with its file.
type unitFiles struct {
	*systemd.Manager
	node *Node
}

// RemoveUnit implements [reconcile.UnitFiles].
func (u unitFiles) RemoveUnit(ctx context.Context, name string) error {
	// One that waited for its next start when it was stopped has no clean-up of its own.
	id, service := names.CutService(name)
	if _, err := os.Lstat(filepath.Join(bundle.AttachmentsDir, id)); service && err == nil {
		if err := u.node.cleanUps.begin(ctx, id); err != nil {
			return err
		}
	}
	if err := u.Manager.RemoveUnit(ctx, name); err != nil {
		return err
	}
	for _, note := range []string{bundle.LastRunFile(id), bundle.BackOffFile(id)} {
		if err := os.Remove(note); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget how %s ended: %w", name, err)
		}
	}
	return nil
}

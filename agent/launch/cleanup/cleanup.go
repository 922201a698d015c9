// Package cleanup undoes a start, finished or not, in the reverse order of package start: the processes, the last lines
// of their output, the mounts of a sandbox, the networks, the quotas, the directories, the record. It also notes how a
// run ended, and from that how long the next start waits.
//
// A clean-up is safe to repeat and continues after a step that fails. It undoes the run that the record names; without
// a record, the mounts of the kernel and the bundles on disk show which runs there were.
package cleanup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/davit-project/davit/agent/launch/handover"
	"github.com/davit-project/davit/agent/launch/network"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/launch/rootfs"
	"github.com/davit-project/davit/agent/launch/runtime"
	"github.com/davit-project/davit/agent/launch/stdio"
	"github.com/davit-project/davit/agent/quota"
	"github.com/davit-project/davit/agent/terminal"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// messages is the writer for warnings. They contain names of containers and answers of runtimes.
var messages = terminal.NewWriter(os.Stderr)

// cleanUpWhole removes all leftovers of a container on the node, of a start that finished or
// not. With nothing to remove it does nothing.
func cleanUpWhole(ctx context.Context, id string) error {
	if !record.IsID(id) {
		return fmt.Errorf("clean up: %q is not the id of a container", id)
	}
	// A start that was given up has been killed; it ends with its current system call.
	if err := record.Lock(id); err != nil {
		return fmt.Errorf("clean up %s: %w", id, err)
	}
	return cleanUp(ctx, id, never)
}

// BeforeStart undoes an earlier run, except a network that the next run uses: keepNetwork says so. The
// caller has locked the record. A failure is reported and does not keep the container from starting, unless a process of
// the earlier run is alive: a CNI plugin that cannot delete would keep the container down for ever. It is asked again when
// this run has ended.
func BeforeStart(ctx context.Context, id string, keepNetwork bool) error {
	err := cleanUp(ctx, id, func(*bundle.Bundle) bool { return keepNetwork })
	if errors.Is(err, runtime.ErrStillRuns) {
		return err
	}
	if err != nil {
		fmt.Fprintln(messages, "davit-run: an earlier run left something behind:", err)
		return record.ForgetRun(id)
	}
	return nil
}

// cleaning is one clean-up.
type cleaning struct {
	id string
	// runs are those that may have left something: the one on record, or without a record each that the node has a
	// bundle of.
	runs []*bundle.Bundle
	// lost is set if there is no record, and something was left.
	lost bool
	// keepsNetwork is whether the network stays as it is for the next run, with the record of how to undo it.
	keepsNetwork func() bool
	// unpublished takes back the ports, once; finish completes that.
	unpublished func() (finish func() error, err error)
}

// cleanUp is [cleanUpWhole] for a caller that has locked the record.
func cleanUp(ctx context.Context, id string, keeps func(*bundle.Bundle) bool) error {
	c := begin(id, keeps)
	failures := []error{removeProcesses(id, c.runs), stdio.AwaitCopier(id)}
	if c.lost {
		failures = append(failures, unmountBelow(record.Dirs(id)...))
	}
	failures = append(failures, c.leaveNetworks(ctx))
	// Before the record of them goes: the directories of the container, with it.
	failures = append(failures, quota.Release(bundle.ContainersDir, rootfs.ProjectsFile(id)), removeDirs(id))
	finish, unpublishErr := c.unpublished()
	failures = append(failures, unpublishErr, finish())
	// The record goes last, and only when all of the run was undone.
	err := errors.Join(failures...)
	if err == nil {
		err = c.forget()
	}
	if err != nil {
		return fmt.Errorf("clean up %s: %w", id, err)
	}
	return nil
}

// begin finds the runs to undo.
func begin(id string, keeps func(*bundle.Bundle) bool) *cleaning {
	c := &cleaning{id: id}
	b, err := record.ReadBundle(filepath.Join(bundle.AttachmentsDir, id))
	recorded := err == nil
	c.lost = !recorded && record.HasLeft(id)
	if recorded {
		c.runs = []*bundle.Bundle{b}
	} else if c.lost {
		c.runs = record.BundlesOf(id)
	}
	c.keepsNetwork = sync.OnceValue(func() bool { return recorded && keeps(b) })
	c.unpublished = sync.OnceValues(func() (func() error, error) {
		if c.keepsNetwork() {
			return network.Unpublish(nil)
		}
		return network.Unpublish(publisherOf(c.runs))
	})
	// systemd takes its time over questions, and the kernel over rules that go: as little as possible waits for those.
	go c.unpublished()
	return c
}

// leaveNetworks releases the mounts of sandboxes, and disconnects from networks, or has a network that stays wait for the
// next run.
func (c *cleaning) leaveNetworks(ctx context.Context) error {
	var failures []error
	for _, b := range c.runs {
		if c.keepsNetwork() {
			failures = append(failures, standBy(b))
			continue
		}
		if record.IsSandbox(b) {
			failures = append(failures, releaseSandbox(b))
		}
		failures = append(failures, network.Disconnect(ctx, b, c.unpublished))
	}
	return errors.Join(failures...)
}

// removeDirs removes the container's directories except that of its record.
func removeDirs(id string) error {
	removed := handover.WithTime(func() error { return untrusted.RemoveAll(filepath.Join(bundle.ContainersDir, id)) })
	health := untrusted.RemoveAll(bundle.HealthFile(id))
	// A directory that is mounted on is only so in the container's own mount namespace.
	mounts := os.Remove(filepath.Join(bundle.MountsDir, id))
	if errors.Is(mounts, fs.ErrNotExist) {
		mounts = nil
	}
	return errors.Join(removed, health, mounts)
}

// forget removes the record, or the part of it that is of the run alone.
func (c *cleaning) forget() error {
	if c.keepsNetwork() {
		return record.ForgetRun(c.id)
	}
	return untrusted.RemoveAll(filepath.Join(bundle.AttachmentsDir, c.id))
}

// publisherOf is the newest run that published ports; nil for none.
func publisherOf(runs []*bundle.Bundle) *bundle.Bundle {
	if i := slices.IndexFunc(runs, func(b *bundle.Bundle) bool { return len(b.Network.Ports) > 0 }); i >= 0 {
		return runs[i]
	}
	return nil
}

// removeProcesses has the runtime of each run remove the container.
func removeProcesses(id string, runs []*bundle.Bundle) error {
	containers := []runtime.Container{runtime.Of(&bundle.Bundle{Launch: bundle.Launch{ID: id}})}
	if len(runs) > 0 {
		containers = nil
	}
	for _, b := range runs {
		if container := runtime.Of(b); !slices.Contains(containers, container) {
			containers = append(containers, container)
		}
	}
	var failures []error
	for _, container := range containers {
		failures = append(failures, container.Remove())
	}
	return errors.Join(failures...)
}

// never is for a container whose network goes in any case.
func never(*bundle.Bundle) bool { return false }

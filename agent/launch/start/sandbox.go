package start

import (
	"context"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/launch/confine"
	"github.com/davit-project/davit/agent/launch/handover"
	"github.com/davit-project/davit/agent/launch/namespaces"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/launch/rootfs"
	"github.com/davit-project/davit/units/bundle"
)

// Sandbox makes the parts that the containers of a pod share: namespaces, network, files of /etc and
// empty directories. The namespaces are pinned by mounts, so no process has to keep them; but a
// process namespace needs one, which becomes the unit's main process. [cleanup.End] undoes all of it.
func Sandbox(ctx context.Context, path string) error { return begin(ctx, path, startSandbox) }

// startSandbox takes the steps of [start] that a sandbox has, in the same order.
func startSandbox(ctx context.Context, run record.Run) error {
	namespace, err := undoEarlierRun(ctx, run)
	if err != nil {
		return err
	}
	if err := run.Claim(); err != nil {
		return err
	}
	profile, err := confine.Choose(run.Bundle)
	if err != nil {
		return err
	}
	if err := rootfs.MakeEmptyDirs(run.Bundle, profile.Labels); err != nil {
		return record.At(bundle.StageVolume, err)
	}
	set, err := namespaces.MakeUsers(run.Bundle)
	if err != nil {
		return err
	}
	if err := set.PinSandbox(run.Bundle); err != nil {
		return err
	}
	if _, err := connect(ctx, run.Bundle, set, namespace); err != nil {
		return err
	}
	if !namespaces.Has(run.Bundle, specs.PIDNamespace) {
		return nil
	}
	reaper, err := set.PinProcesses(run.Bundle)
	if err != nil {
		return err
	}
	return handover.SendProcess(run.Bundle, reaper)
}

// Package start starts containers and the sandboxes of pods: it has the order of the steps, and each step is a package of
// its own. Each step returns a value that later steps take, so the types show most of the order.
//
// It is part of every start, and works without any other part of davit: it must never know registries, storage libraries,
// manifests or Kubernetes. Package cleanup undoes the steps in the reverse order.
package start

import (
	"context"
	"fmt"
	"os"
	goruntime "runtime"

	"github.com/davit-project/davit/agent/launch/cleanup"
	"github.com/davit-project/davit/agent/launch/confine"
	"github.com/davit-project/davit/agent/launch/namespaces"
	"github.com/davit-project/davit/agent/launch/network"
	"github.com/davit-project/davit/agent/launch/process"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/launch/rootfs"
	"github.com/davit-project/davit/agent/launch/runtime"
	"github.com/davit-project/davit/agent/launch/stdio"
	"github.com/davit-project/davit/units/bundle"
)

// Container runs the container of the bundle at path as the main process of the unit that this process runs in, and
// returns when the process that systemd started can report that. The leftovers of a failed start are
// removed by [cleanup.End], which the unit's ExecStopPost= calls, and by the next start.
func Container(ctx context.Context, path string) error { return begin(ctx, path, start) }

// begin starts the bundle at a path, and leaves a note of the error of a start that fails.
func begin(ctx context.Context, path string, start func(context.Context, record.Run) error) error {
	dir, id := record.BundleAt(path)
	b, text, err := record.ReadConfig(dir)
	if err == nil {
		err = start(ctx, record.Run{Bundle: b, Dir: dir, Text: text})
	}
	if err != nil {
		err = fmt.Errorf("start %s: %w", id, err)
	}
	return record.NoteFailure(id, dir, err)
}

// start takes the steps of a start. Where the types do not give a reason for their order, a comment does.
func start(ctx context.Context, run record.Run) error {
	// Unit. A process that is not in its unit must not undo anything.
	group, err := runtime.UnitGroup(run.ID)
	if err != nil {
		return err
	}
	// Earlier run. Its record is undone before this run's record takes its place.
	namespace, err := undoEarlierRun(ctx, run)
	if err != nil {
		return err
	}
	// Record of this run, before there is anything to undo.
	sockets, err := claim(run, group)
	if err != nil {
		return err
	}
	// Confinement, before anything is made in the container's directories: it inherits their label.
	profile, err := confine.Choose(run.Bundle)
	if err != nil {
		return err
	}
	profile.Apply(run.Bundle)
	// Users and file system.
	set, root, err := buildRoot(run, profile.Labels)
	if err != nil {
		return err
	}
	defer goruntime.KeepAlive(set)
	// User, before the network: a start that an image makes impossible publishes no port.
	account, err := process.LookUpUser(run.Bundle, root.Path)
	if err != nil {
		return err
	}
	// Network.
	net, err := connect(ctx, run.Bundle, set, namespace)
	if err != nil {
		return err
	}
	defer goruntime.KeepAlive(net)
	// Process, whose environment may have the container's addresses.
	made := parts{run, group, set, root, net, sockets}
	inherited, err := completeProcess(made, account)
	if err != nil {
		return err
	}
	// Container. Its process waits.
	container, output, err := create(made, inherited)
	if err != nil {
		return err
	}
	return handOver(made, container, output, inherited.notify)
}

// parts are the results of the steps before the container.
type parts struct {
	run     record.Run
	group   runtime.Group
	set     *namespaces.Set
	root    *rootfs.Root
	network network.Network
	sockets []*os.File
}

// undoEarlierRun undoes an earlier run, except a network namespace that is still good.
func undoEarlierRun(ctx context.Context, run record.Run) (network.Namespace, error) {
	if err := record.Lock(run.ID); err != nil {
		return network.Namespace{}, err
	}
	namespace, err := network.Recover(run, process.KeptNamespace(len(run.Sockets)))
	if err != nil {
		return network.Namespace{}, err
	}
	return namespace, cleanup.BeforeStart(ctx, run.ID, namespace.Kept)
}

// claim leaves the unit's group to the container, records the run, and takes the sockets that systemd hands over.
func claim(run record.Run, group runtime.Group) ([]*os.File, error) {
	if err := group.Leave(run.Runtime); err != nil {
		return nil, err
	}
	if err := run.Claim(); err != nil {
		return nil, err
	}
	return process.ReceiveSockets(run.Bundle)
}

// buildRoot makes the user namespace and mounts the root file system, whose files have its ids.
func buildRoot(run record.Run, labels confine.Labels) (*namespaces.Set, *rootfs.Root, error) {
	// First the checks that need no mount: they fail most often.
	if err := rootfs.CheckHostPaths(run.Bundle); err != nil {
		return nil, nil, record.At(bundle.StageVolume, err)
	}
	if err := rootfs.MakeEmptyDirs(run.Bundle, labels); err != nil {
		return nil, nil, record.At(bundle.StageVolume, err)
	}
	set, err := namespaces.MakeUsers(run.Bundle)
	if err != nil {
		return nil, nil, err
	}
	if err := rootfs.MakeWritable(run.Bundle, set.Users); err != nil {
		return nil, nil, record.At(bundle.StageVolume, err)
	}
	root, err := rootfs.Mount(run, set.Users, labels)
	return set, root, record.At(bundle.StageImage, err)
}

// connect connects the container, or finds the addresses of its pod, and writes its files of /etc.
func connect(ctx context.Context, b *bundle.Bundle, set *namespaces.Set, namespace network.Namespace) (network.Network, error) {
	if set.Network != "" { // it belongs to the users
		namespace = network.Namespace{Path: set.Network}
	}
	net, err := network.Connect(ctx, b, namespace)
	if err != nil {
		return network.Network{}, record.At(bundle.StageNetwork, err)
	}
	return net, rootfs.WriteFiles(b)
}

// inherited are the results of the description that the container's process does not have in it.
type inherited struct {
	// openedByName says which part may open standard output by name; empty for none.
	openedByName string
	// notify is the socket on which the container reports its state, or nil.
	notify *os.File
}

// completeProcess completes the description of the container's process.
func completeProcess(p parts, account process.Account) (got inherited, err error) {
	b := p.run.Bundle
	if err := process.CompleteEnvironment(p.run, p.network.Addresses); err != nil {
		return got, err
	}
	process.DefaultEnvironment(b, account)
	if err := confine.LimitCapabilities(b); err != nil {
		return got, err
	}
	// PATH says which program it is. An init program would be another.
	if err := confine.LimitArchitectures(b, p.root.Path); err != nil {
		return got, record.At(bundle.StageImage, err)
	}
	if got.openedByName, err = stdio.OpenedByName(p.run, p.root.OpensOutput); err != nil {
		return got, err
	}
	if err := p.root.AddDevices(account.UID, account.GID); err != nil {
		return got, err
	}
	if err := process.AddInit(b); err != nil {
		return got, err
	}
	got.notify, err = process.AddNotify(b)
	return got, err
}

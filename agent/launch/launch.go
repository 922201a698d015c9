// Package launch turns a bundle into a running container: root filesystem, networks,
// process. It is what davit-run is made of.
//
// It knows bundles, the kernel, libcontainer and CNI. It must never know registries,
// storage libraries, manifests or Kubernetes: it is on the way of every start and runs
// when no other part of davit is there.
package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/terminal"
	"github.com/davit-project/davit/units/bundle"
)

// messages is where the launcher says what goes wrong beside an error. Names of containers, and answers of runtimes and
// plugins, are in it.
var messages = terminal.NewWriter(os.Stderr)

// run is one start of a container.
type run struct {
	*bundle.Bundle
	dir     string   // the bundle's directory
	text    []byte   // its configuration
	cgroup  string   // the unit's control group
	below   bool     // this process is in a group below it
	rootfs  string   // where the root filesystem is mounted
	netns   string   // path of the network namespace, or ""
	users   *os.File // the user namespace, or nil for the node's
	ids     idRange  // of the node, that the users have
	account account
	// opensOutput names the part of the image or the bundle that opens standard output by name; "" for none.
	opensOutput string
	// fileLabel is the SELinux label of the container's files, or "".
	fileLabel string
	// namespace is the open network namespace, where this process has made one by itself or an earlier run
	// has: then it was kept.
	namespace *os.File
	kept      bool
	// namespaces are those that were made with the user namespace, reaper is the first process of
	// its process namespace, or 0.
	namespaces map[specs.LinuxNamespaceType]*os.File
	reaper     int
	// addresses are those of all networks, in order.
	addresses []string
	// notify is the socket on which the container says how it is, or nil.
	notify *os.File
	// sockets are those that systemd listens on.
	sockets []*os.File
}

// Start runs the container of the bundle at dir as the main process of the unit that
// this process runs in, and returns when systemd has been told. What a failed start
// leaves behind is removed by [Cleanup], which the unit's ExecStopPost= calls, and by the
// next start.
func Start(ctx context.Context, path string) error {
	return begin(ctx, path, (*run).start)
}

// begin starts what the bundle at a path says, and leaves word of what keeps it from starting.
func begin(ctx context.Context, path string, start func(*run, context.Context) error) error {
	dir, id := bundleAt(path)
	b, text, err := readConfig(dir)
	if err == nil {
		err = start(&run{Bundle: b, dir: dir, text: text}, ctx)
	}
	if err != nil {
		err = fmt.Errorf("start %s: %w", id, err)
	}
	return noteFailure(id, dir, err)
}

func (r *run) start(ctx context.Context) error {
	if err := r.findCgroup(); err != nil {
		return err
	}
	if err := r.cleanUpBefore(ctx); err != nil {
		return err
	}
	for _, step := range []func() error{
		r.leaveUnitGroup,
		r.claim,
		r.receiveSockets,
		r.chooseProfile,
		r.chooseLabels,
		in(bundle.StageVolume, r.checkHostPaths),
		in(bundle.StageVolume, r.makeEmptyDirs),
		r.makeUsers,
		in(bundle.StageVolume, r.makeWritable),
		in(bundle.StageImage, r.mountRootfs),
		in(bundle.StageImage, r.mountImageVolumes),
		r.lookUpUser,
		in(bundle.StageNetwork, func() error { return r.connect(ctx) }),
		r.writeFiles,
		r.completeEnvironment,
		r.defaultEnvironment,
		r.limitCapabilities,
		in(bundle.StageImage, r.limitArchitectures),
		r.findOutputName,
		r.addDevices,
		r.addInit,
		r.addNotify,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	container, output, err := r.createProcess()
	if err != nil {
		return err
	}
	if err := r.forbidLingering(); err != nil {
		return err
	}
	if output.from != nil {
		if err := recordCopier(r.ID); err != nil {
			return err
		}
	}
	if err := r.noteNetwork(); err != nil {
		return err
	}
	defer runtime.KeepAlive(r)
	return r.handOver(container, output)
}

// cleanUpBefore undoes what an earlier run may have left, but for a network that is still good.
func (r *run) cleanUpBefore(ctx context.Context) error {
	if err := lockRecord(r.ID); err != nil {
		return err
	}
	if err := r.takeNetwork(); err != nil {
		return err
	}
	err := cleanUp(ctx, r.ID, func(*bundle.Bundle) bool { return r.kept })
	if errors.Is(err, errStillRuns) {
		return err
	}
	if err != nil {
		// A plugin that cannot delete must not keep the container down for ever. It is asked again
		// when this run has ended.
		fmt.Fprintln(messages, "davit-run: an earlier run left something behind:", err)
		return forgetRun(filepath.Join(bundle.AttachmentsDir, r.ID))
	}
	return nil
}

// claim makes the container's directories and records what is being started, before
// there is anything to undo: the bundle itself may be gone by the time it is undone.
func (r *run) claim() error {
	own := filepath.Dir(bundle.RunningBundle(r.ID))
	for _, dir := range []string{bundle.RunDir, bundle.StateDir, own, filepath.Join(bundle.ContainersDir, r.ID), bundle.RuntimeDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if err := disk.WriteFile(ownFile(r.ID, bundle.ConfigFile), r.text, 0o600); err != nil {
		return err
	}
	if err := lockRecord(r.ID); err != nil {
		return err
	}
	return os.Symlink(r.dir, bundle.RunningBundle(r.ID))
}

// lockRecord takes the lock of a container's record, for as long as this process is there. Without a record
// there is nothing to lock.
func lockRecord(id string) error {
	fd, err := unix.Open(ownFile(id, bundle.ConfigFile), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lock the record of %s: %w", id, err)
	}
	for {
		if err := unix.Flock(fd, unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("flock", err)
		}
	}
}

// bundleAt is the directory of a bundle that a unit starts, and the container's id. The path is that of the directory, or
// of the link to it that leads there now.
func bundleAt(path string) (dir, id string) {
	if filepath.Dir(path) != bundle.CurrentDir {
		return path, bundle.IDOf(filepath.Base(path))
	}
	if target, err := os.Readlink(path); err == nil {
		return target, filepath.Base(path)
	}
	return path, filepath.Base(path) // to read it fails, and says why
}

func readBundle(dir string) (*bundle.Bundle, error) {
	b, _, err := readConfig(dir)
	return b, err
}

// readConfig reads a bundle, and returns the text of its configuration too.
func readConfig(dir string) (*bundle.Bundle, []byte, error) {
	text, err := os.ReadFile(filepath.Join(dir, bundle.ConfigFile))
	if err != nil {
		return nil, nil, fmt.Errorf("read bundle: %w: run davit apply to write it again", err)
	}
	b, err := bundle.Decode(text)
	if err != nil {
		return nil, nil, fmt.Errorf("read bundle %s: %w", dir, err)
	}
	return b, text, nil
}

package agent

import (
	"fmt"
	"path/filepath"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/units/bundle"
)

// davit.service has a mount namespace of its own, for which systemd copies the node's mounts. A mount that is
// read-only when it is copied stays so in the copy: a remount of the node's is not passed on
// (mount_namespaces(7)). systemd makes a fresh copy when the agent starts again.

// writable is whether a path can be written to, in the agent's mounts and in those of the node.
type writable struct{ own, node bool }

// isDenied reports whether the agent must not write where the node can.
func (w writable) isDenied() bool { return w.node && !w.own }

// mountView is how the agent sees the mounts that it writes to.
type mountView struct {
	look func(path string) (writable, error)
	// paths are those that a fresh copy of the node's mounts makes writable: the others were denied when the agent
	// started, as its unit says (ReadOnlyPaths= of systemd.exec(5)).
	paths []string
}

// newMountView records which of the paths the agent may write to.
func newMountView(look func(string) (writable, error), paths ...string) mountView {
	view := mountView{look: look}
	for _, path := range paths {
		if seen, err := look(path); err == nil && !seen.isDenied() {
			view.paths = append(view.paths, path)
		}
	}
	return view
}

// check is an error when the agent has to start again to write where the node can.
func (v mountView) check() error {
	for _, path := range v.paths {
		if seen, err := v.look(path); err == nil && seen.isDenied() {
			return fmt.Errorf("%s is writable again, but not in the mount namespace of the agent: the agent exits, and systemd restarts it", path)
		}
	}
	return nil
}

// lookAtMounts asks the kernel. The root of the first process is that of the node's mounts.
func lookAtMounts(path string) (writable, error) {
	own, err := disk.IsReadOnly(path)
	if err != nil {
		return writable{}, err
	}
	node, err := disk.IsReadOnly(filepath.Join("/proc/1/root", path))
	return writable{own: !own, node: !node}, err
}

// writtenPaths are where a pass writes.
func (n *Node) writtenPaths() []string {
	return []string{bundle.StateDir, bundle.RunDir, bundle.UnitsDir, n.facts.StorageRoot}
}

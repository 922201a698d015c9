package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// refresh shows a running container the files of another bundle, which is as its own but for those.
// They are mounted in the place of the ones before (see [replaceMount]).
func refresh(running *bundle.Bundle, pid int, dir string) (*bundle.Bundle, error) {
	before, err := os.Readlink(bundle.RunningBundle(running.ID))
	if err != nil || before == dir {
		return running, err
	}
	b, err := readBundle(dir)
	if err != nil {
		return nil, err
	}
	r := &run{Bundle: b, dir: dir}
	if err := r.chooseLabels(); err != nil {
		return nil, err
	}
	mounts := slices.DeleteFunc(slices.Clone(b.Spec.Mounts), func(mount specs.Mount) bool {
		_, own := bundle.OwnPath(mount.Source)
		return !own
	})
	for _, mount := range mounts {
		if err := r.exchange(mount, before, pid); err != nil {
			return nil, fmt.Errorf("replace the files at %s: %w: run systemctl restart %s to get the new ones", mount.Destination, err, b.ID)
		}
	}
	return b, r.claimAnew()
}

// exchange mounts a path of the bundle in the place of the one of the bundle before.
func (r *run) exchange(mount specs.Mount, before string, pid int) error {
	source, err := r.mountSource(mount.Source)
	if err != nil {
		return err
	}
	path, _ := bundle.OwnPath(mount.Source)
	// Links in the container's files lead nowhere out of them, and what is there must be what was
	// mounted at the start, or by a reload that was interrupted: nothing else is replaced.
	open := func() (*os.File, error) {
		return pathrs.OpenInRoot(fmt.Sprintf("/proc/%d/root", pid), mount.Destination)
	}
	target, err := open()
	if err != nil {
		return err
	}
	defer target.Close()
	if same, err := isFile(target, source); same || err != nil {
		return err
	}
	same, err := isFile(target, filepath.Join(before, path))
	if err == nil && !same {
		err = errors.New("another mount covers them")
	}
	if err != nil {
		return err
	}
	tree, err := readOnlyTree(source)
	if err != nil {
		return err
	}
	defer tree.Close()
	return replaceMount(tree, target, pid, open)
}

// isFile reports whether an open file is what a path leads to.
func isFile(open *os.File, path string) (bool, error) {
	has, err := open.Stat()
	if err != nil {
		return false, err
	}
	want, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	return os.SameFile(has, want), nil
}

// readOnlyTree is a mount of a path that is nowhere yet, with the options of all files that a bundle
// brings along.
func readOnlyTree(path string) (*os.File, error) {
	return mountTree(path, unix.MountAttr{
		Attr_set:    unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV,
		Propagation: unix.MS_PRIVATE,
	})
}

// mountTree is a mount of a path that is nowhere yet.
func mountTree(path string, attributes unix.MountAttr) (*os.File, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return nil, os.NewSyscallError("open_tree", err)
	}
	tree := os.NewFile(uintptr(fd), path)
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attributes); err != nil {
		tree.Close()
		return nil, os.NewSyscallError("mount_setattr", err)
	}
	return tree, nil
}

// claimAnew records that the container runs the bundle.
func (r *run) claimAnew() error {
	text, err := r.Encode()
	if err != nil {
		return err
	}
	if err := disk.WriteFile(ownFile(r.ID, bundle.ConfigFile), text, 0o600); err != nil {
		return err
	}
	link := bundle.RunningBundle(r.ID)
	fresh := link + ".new"
	if err := untrusted.RemoveAll(fresh); err != nil {
		return err
	}
	if err := os.Symlink(r.dir, fresh); err != nil {
		return err
	}
	return os.Rename(fresh, link)
}

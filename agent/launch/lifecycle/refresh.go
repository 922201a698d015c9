package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/davit-project/davit/agent/launch/confine"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/launch/rootfs"
	"github.com/davit-project/davit/units/bundle"
)

// refresh shows a running container the files of another bundle, which is as its own but for those.
// They are mounted in the place of the ones before (see [rootfs.ReplaceMount]).
func refresh(running *bundle.Bundle, pid int, dir string) (*bundle.Bundle, error) {
	before, err := os.Readlink(bundle.RunningBundle(running.ID))
	if err != nil || before == dir {
		return running, err
	}
	b, err := record.ReadBundle(dir)
	if err != nil {
		return nil, err
	}
	labels, err := confine.ChooseLabels(b)
	if err != nil {
		return nil, err
	}
	labels.Apply(b)
	mounts := slices.DeleteFunc(slices.Clone(b.Spec.Mounts), func(mount specs.Mount) bool {
		_, own := bundle.OwnPath(mount.Source)
		return !own
	})
	for _, mount := range mounts {
		if err := exchange(mount, before, dir, pid, labels); err != nil {
			return nil, fmt.Errorf("replace the files at %s: %w: run systemctl restart %s to get the new ones", mount.Destination, err, b.ID)
		}
	}
	return b, record.Run{Bundle: b, Dir: dir}.Replace()
}

// exchange mounts a path of the bundle at dir in the place of the one of the bundle before.
func exchange(mount specs.Mount, before, dir string, pid int, labels confine.Labels) error {
	path, _ := bundle.OwnPath(mount.Source)
	source := filepath.Join(dir, path)
	if err := labels.Relabel(source, false); err != nil {
		return err
	}
	// Links are resolved within the container's root. The target must be the file that was mounted at the start, or by
	// a reload that was interrupted: nothing else is replaced.
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
	tree, err := rootfs.ReadOnlyTree(source)
	if err != nil {
		return err
	}
	defer tree.Close()
	return rootfs.ReplaceMount(tree, target, pid, open)
}

// isFile reports whether an open file is the file at a path, links followed.
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

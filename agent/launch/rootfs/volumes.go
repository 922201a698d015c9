package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// source turns a source of a mount that stands for something of this start into a path of the
// node.
func (r *Root) source(source string) (string, error) {
	if name, ok := bundle.EmptyDirName(source); ok {
		return r.EmptyDirPath(name), nil
	}
	if path, ok := bundle.OwnPath(source); ok {
		path = filepath.Join(r.dir, path)
		return path, r.labels.Relabel(path, false)
	}
	if index, ok := bundle.HostIndex(source); ok {
		return r.stageHostPath(index)
	}
	if index, ok := bundle.ImageIndex(source); ok {
		return imageVolumePath(r.ID, index), nil
	}
	if index, ok := bundle.SubPathIndex(source); ok {
		return r.stageSubPath(index)
	}
	if source == bundle.RootfsSource {
		return r.Path, nil
	}
	if strings.HasPrefix(source, bundle.VolumesDir+"/") {
		return source, r.labels.Relabel(source, true)
	}
	return source, nil
}

// stageSubPath mounts a path inside a volume at a place where no container can exchange it. A container that shares the
// volume may have made a symbolic link there: it is resolved within the volume's root, and the opened file is the one
// that is mounted (CVE-2017-1002101, CVE-2021-25741).
func (r *Root) stageSubPath(index int) (string, error) {
	want := r.SubPaths[index]
	volume, err := r.source(want.Volume)
	if err != nil {
		return "", err
	}
	found, err := r.openSubPath(index, volume)
	if err != nil {
		return "", fmt.Errorf("subPath %s of %s: %w", want.Path, volume, err)
	}
	defer found.Close()
	return r.stage(found, fmt.Sprintf("subpath-%d", index))
}

// openSubPath opens a path inside a volume, and makes a directory if it does not exist, as Kubernetes does.
func (r *Root) openSubPath(index int, volume string) (*os.File, error) {
	want := r.SubPaths[index]
	switch {
	case want.Volume == bundle.RootfsSource:
		found, err := openBelow(volume, want.Path)
		if err == nil {
			err = checkImageVolume(found, volume)
		}
		return found, err
	case strings.HasPrefix(want.Volume, bundle.VolumesDir+"/"):
		return openInVolume(filepath.Base(want.Volume), volume, want.Path)
	case r.isReadOnlyHostPath(index):
		found, err := pathrs.OpenInRoot(volume, want.Path)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: it is mounted read-only, so nothing is made there: make it, or name another one", fs.ErrNotExist)
		}
		return found, err
	}
	return openBelow(volume, want.Path)
}

// isReadOnlyHostPath reports whether a sub-path is one of a path of the node that the container may only read.
func (r *Root) isReadOnlyHostPath(index int) bool {
	_, isHost := bundle.HostIndex(r.SubPaths[index].Volume)
	if !isHost && !filepath.IsAbs(r.SubPaths[index].Volume) {
		return false
	}
	return slices.ContainsFunc(r.Spec.Mounts, func(mount specs.Mount) bool {
		return mount.Source == bundle.SubPathSource(index) && slices.Contains(mount.Options, "ro")
	})
}

// checkImageVolume refuses a directory that an image declares as a volume if links of the image lead to a tree of the kernel's,
// which it would hide.
func checkImageVolume(found *os.File, rootfs string) error {
	path, err := os.Readlink(untrusted.Path(found))
	if err != nil {
		return err
	}
	for _, tree := range []string{"proc", "sys", "dev"} {
		if isBelow(path, filepath.Join(rootfs, tree)) {
			return fmt.Errorf("the image declares a volume there, and a link of it leads to /%s", tree)
		}
	}
	return nil
}

// CompleteMounts fills fresh volumes, and replaces the sources of the container's mounts that stand for something of this
// start by paths of the node.
func (r *Root) CompleteMounts() error {
	for i, mount := range r.Spec.Mounts {
		if err := r.fill(mount.Source, mount.Destination); err != nil {
			return err
		}
		source, err := r.source(mount.Source)
		if err != nil {
			return err
		}
		r.Spec.Mounts[i].Source = source
	}
	// First, so that a mount of the manifest's at the same place wins.
	r.Spec.Mounts = append(r.fileMounts(), r.Spec.Mounts...)
	return nil
}

// stage mounts an open file or directory at a path where no container can exchange it, and returns the path.
func (r *Root) stage(found *os.File, name string) (string, error) {
	info, err := found.Stat()
	if err != nil {
		return "", err
	}
	stage := record.File(r.ID, name)
	if info.IsDir() {
		err = os.Mkdir(stage, 0o700)
	} else {
		err = os.WriteFile(stage, nil, 0o600)
	}
	if errors.Is(err, fs.ErrExist) {
		return stage, nil // mounted in several places
	}
	if err != nil {
		return "", err
	}
	opened := fmt.Sprintf("/proc/self/fd/%d", found.Fd())
	if err := unix.Mount(opened, stage, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return "", fmt.Errorf("mount %s: %w", found.Name(), err)
	}
	return stage, nil
}

// openBelow opens a path below root, and makes a directory if it does not exist, as Kubernetes does.
func openBelow(root, path string) (*os.File, error) {
	found, err := pathrs.OpenInRoot(root, path)
	if !errors.Is(err, fs.ErrNotExist) {
		return found, err
	}
	dir, err := untrusted.Handle(root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return pathrs.MkdirAllHandle(dir, path, 0o755)
}

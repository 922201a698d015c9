package launch

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// checkHostPaths makes sure that the node's paths are what the manifest says they are,
// and makes those it may make.
func (r *run) checkHostPaths() error {
	for _, want := range r.HostPaths {
		found, err := openHostPath(want)
		if err != nil {
			return err
		}
		if err := found.Close(); err != nil {
			return err
		}
	}
	return nil
}

// stageHostPath mounts a path of the node as it is found below its root.
func (r *run) stageHostPath(index int) (string, error) {
	found, err := openHostPath(r.HostPaths[index])
	if err != nil {
		return "", err
	}
	defer found.Close()
	return r.stage(found, fmt.Sprintf("host-%d", index))
}

// hostKinds are what a path of the node can be asked to be, by Kubernetes' names
// (https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types).
var hostKinds = map[string]func(fs.FileMode) bool{
	"":          func(fs.FileMode) bool { return true },
	"Directory": fs.FileMode.IsDir, "DirectoryOrCreate": fs.FileMode.IsDir,
	"File": fs.FileMode.IsRegular, "FileOrCreate": fs.FileMode.IsRegular,
	"Socket":      func(m fs.FileMode) bool { return m&fs.ModeSocket != 0 },
	"CharDevice":  func(m fs.FileMode) bool { return m&fs.ModeCharDevice != 0 },
	"BlockDevice": func(m fs.FileMode) bool { return m&fs.ModeDevice != 0 && m&fs.ModeCharDevice == 0 },
}

// openHostPath returns a handle of a path of the node, made where it may be. Nothing can be read
// from it.
func openHostPath(want bundle.HostPath) (*os.File, error) {
	isKind, ok := hostKinds[want.Type]
	if !ok {
		return nil, fmt.Errorf("host path %s: unknown type %q", want.Path, want.Type)
	}
	found, err := openBelowRoot(want.Root, want.Path)
	if errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(want.Type, "OrCreate") {
		found, err = makeHostPath(want)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("host path %s: %w: make it, or have it made by type DirectoryOrCreate or FileOrCreate", want.Path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("host path %s: %w", want.Path, err)
	}
	info, err := found.Stat()
	if err == nil && !isKind(info.Mode()) {
		err = fmt.Errorf("host path %s is not a %s", want.Path, strings.TrimSuffix(want.Type, "OrCreate"))
	}
	if err != nil {
		return nil, errors.Join(err, found.Close())
	}
	return found, nil
}

// openBelowRoot returns a handle of what an absolute path means for somebody who cannot leave root,
// which it is in; an empty root is the node's.
func openBelowRoot(root, path string) (*os.File, error) {
	root = cmp.Or(root, "/")
	found, err := pathrs.OpenInRoot(root, cmp.Or(strings.TrimPrefix(path, root), "."))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist // without how it was looked for
	}
	return found, err
}

// makeHostPath makes a directory or a file, with Kubernetes' modes.
func makeHostPath(want bundle.HostPath) (*os.File, error) {
	root, err := untrusted.Handle(cmp.Or(want.Root, "/"))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	path := strings.TrimPrefix(want.Path, root.Name())
	if want.Type == "DirectoryOrCreate" {
		return pathrs.MkdirAllHandle(root, path, 0o755)
	}
	parent, err := pathrs.OpenatInRoot(root, filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	fd, err := unix.Openat(int(parent.Fd()), filepath.Base(path), unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, &os.PathError{Op: "create", Path: want.Path, Err: err}
	}
	return os.NewFile(uintptr(fd), want.Path), nil
}

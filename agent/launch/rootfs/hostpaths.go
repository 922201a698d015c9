package rootfs

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

	"github.com/davit-project/davit/units/bundle"
)

// CheckHostPaths checks that the node's paths have the types that the manifest declares, and makes those that it may
// make.
func CheckHostPaths(b *bundle.Bundle) error {
	for _, want := range b.HostPaths {
		found, err := OpenHostPath(want)
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
func (r *Root) stageHostPath(index int) (string, error) {
	found, err := OpenHostPath(r.HostPaths[index])
	if err != nil {
		return "", err
	}
	defer found.Close()
	return r.stage(found, fmt.Sprintf("host-%d", index))
}

// hostKinds are the types that a manifest can require of a path of the node, by Kubernetes' names
// (https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types).
var hostKinds = map[string]func(fs.FileMode) bool{
	"":          func(fs.FileMode) bool { return true },
	"Directory": fs.FileMode.IsDir, "DirectoryOrCreate": fs.FileMode.IsDir,
	"File": fs.FileMode.IsRegular, "FileOrCreate": fs.FileMode.IsRegular,
	"Socket":      func(m fs.FileMode) bool { return m&fs.ModeSocket != 0 },
	"CharDevice":  func(m fs.FileMode) bool { return m&fs.ModeCharDevice != 0 },
	"BlockDevice": func(m fs.FileMode) bool { return m&fs.ModeDevice != 0 && m&fs.ModeCharDevice == 0 },
}

// OpenHostPath returns a handle of a path of the node, made where it may be. Nothing can be read
// from it.
func OpenHostPath(want bundle.HostPath) (*os.File, error) {
	isKind, ok := hostKinds[want.Type]
	if !ok {
		return nil, fmt.Errorf("host path %s: unknown type %q", want.Path, want.Type)
	}
	found, err := OpenBelowRoot(want.Root, want.Path)
	if errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(want.Type, "OrCreate") {
		found, err = makeHostPath(want)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("host path %s: %w: make it, or have it made by type DirectoryOrCreate or FileOrCreate", want.Path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("host path %s: %w", want.Path, err)
	}
	if err := checkGuarded(found, want.Guarded); err != nil {
		return nil, errors.Join(fmt.Errorf("host path %s: %w", want.Path, err), found.Close())
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

// OpenBelowRoot returns a handle of an absolute path in root, with links resolved within root; an empty root is the
// node's.
func OpenBelowRoot(root, path string) (*os.File, error) {
	if root == "" {
		found, err := pathrs.OpenInRoot("/", path)
		return found, withoutWay(err)
	}
	start, err := openRoot(root)
	if err != nil || path == root {
		return start, err
	}
	defer start.Close()
	found, err := pathrs.OpenatInRoot(start, strings.TrimPrefix(path, root))
	return found, withoutWay(err)
}

// withoutWay leaves out how a path was looked for where nothing is.
func withoutWay(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fs.ErrNotExist
	}
	return err
}

// openRoot returns a handle of an allowed directory, or file. A link on its way is refused, as it leads out of the
// allowed directory: a container may have made it when another directory was allowed.
func openRoot(root string) (*os.File, error) {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	for name := range strings.SplitSeq(strings.Trim(root, "/"), "/") {
		if err != nil || name == "" {
			break
		}
		parent := fd
		fd, err = unix.Openat(parent, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		unix.Close(parent)
		var stat unix.Stat_t
		if err == nil {
			err = unix.Fstat(fd, &stat)
		}
		if err == nil && stat.Mode&unix.S_IFMT == unix.S_IFLNK {
			unix.Close(fd)
			return nil, fmt.Errorf("%s, as the node's policy allows it, has a link on its way, %s: write there where the link leads", root, name)
		}
	}
	if errors.Is(err, unix.ENOENT) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: root, Err: err}
	}
	return os.NewFile(uintptr(fd), root), nil
}

// checkGuarded refuses a file if links have led to a directory that containers may only read. No container can move
// such a directory: none can write to its parent.
func checkGuarded(found *os.File, guarded []string) error {
	if len(guarded) == 0 {
		return nil
	}
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", found.Fd()))
	if err != nil {
		return err
	}
	for _, dir := range guarded {
		if isBelow(path, dir) || isBelow(dir, path) {
			return fmt.Errorf("a link leads to %s: %s may be mounted read-only alone", path, dir)
		}
	}
	return nil
}

// isBelow reports whether a path is a directory's, or below it.
func isBelow(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// makeHostPath makes a directory or a file, with Kubernetes' modes, below the innermost directory on its way that exists.
func makeHostPath(want bundle.HostPath) (*os.File, error) {
	parent, missing, err := openExisting(want.Root, want.Path)
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	if err := checkMadeIn(parent, want.Guarded); err != nil {
		return nil, err
	}
	if want.Type == "DirectoryOrCreate" {
		return pathrs.MkdirAllHandle(parent, missing, 0o755)
	}
	if strings.Contains(missing, "/") {
		return nil, fs.ErrNotExist
	}
	fd, err := unix.Openat(int(parent.Fd()), missing, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, &os.PathError{Op: "create", Path: want.Path, Err: err}
	}
	return os.NewFile(uintptr(fd), want.Path), nil
}

// openExisting returns a handle of the innermost directory that exists on the way to a path, and the missing rest of the
// path.
func openExisting(root, path string) (parent *os.File, missing string, err error) {
	for above := path; above != cmp.Or(root, "/"); {
		above = filepath.Dir(above)
		parent, err = OpenBelowRoot(root, above)
		if !errors.Is(err, fs.ErrNotExist) {
			return parent, strings.TrimPrefix(strings.TrimPrefix(path, above), "/"), err
		}
	}
	return nil, "", fs.ErrNotExist
}

// checkMadeIn refuses to make something in a directory that containers may only read.
func checkMadeIn(parent *os.File, guarded []string) error {
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", parent.Fd()))
	if err != nil {
		return err
	}
	for _, dir := range guarded {
		if isBelow(path, dir) {
			return fmt.Errorf("a link leads to %s: %s may be mounted read-only alone", path, dir)
		}
	}
	return nil
}

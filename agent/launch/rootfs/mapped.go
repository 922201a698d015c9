package rootfs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// prepareMapped makes the writable layer the users' own, and mounts the init layer, whose path it returns. The writable layer
// cannot be mapped: overlayfs works in it as root of the node, which has no id there.
func (r *Root) prepareMapped(upper string) (string, error) {
	own := filepath.Join(bundle.ContainersDir, r.ID)
	uid, gid := r.users.Root()
	if err := os.Chown(upper, uid, gid); err != nil {
		return "", err
	}
	if err := revealKernel(own); err != nil {
		return "", err
	}
	if err := r.followKernel(); err != nil {
		return "", err
	}
	first := filepath.Join(own, "init")
	return first, r.mountMapped(initLayerDir, first)
}

// revealKernel mounts a /proc and a /sys below a directory that have nothing over them. The kernel mounts them in a user
// namespace only where it sees such ones (mount_too_revealing in its fs/namespace.c), and the node's own may have parts
// hidden, for example where the node is a container.
func revealKernel(dir string) error {
	for _, kind := range []string{"proc", "sysfs"} {
		target := filepath.Join(dir, kind)
		if err := os.Mkdir(target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(kind, target, kind, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
			return fmt.Errorf("mount a %s file system: %w", kind, err)
		}
	}
	return nil
}

// followKernel has the users mount /sys read-only where the node has it so, as in a container: the kernel gives a user
// namespace no more than that (mount_too_revealing).
func (r *Root) followKernel() error {
	var node unix.Statfs_t
	if err := unix.Statfs("/sys", &node); err != nil {
		return &os.PathError{Op: "statfs", Path: "/sys", Err: err}
	}
	if node.Flags&unix.ST_RDONLY == 0 {
		return nil
	}
	for _, mount := range r.Spec.Mounts {
		if writable := slices.Index(mount.Options, "rw"); mount.Type == "sysfs" && writable >= 0 {
			mount.Options[writable] = "ro"
		}
	}
	return nil
}

// mountMapped mounts a directory at a new one with its files' owners mapped.
func (r *Root) mountMapped(source, target string) error {
	if err := os.Mkdir(target, 0o755); err != nil {
		return err
	}
	tree, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return &os.PathError{Op: "open_tree", Path: source, Err: err}
	}
	defer unix.Close(tree)
	attributes := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(r.users.Fd())}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &attributes); err != nil {
		return fmt.Errorf("map the owners of %s: %w: hostUsers: false needs a file system with id-mapped mounts (Linux 5.19, mount_setattr(2))", source, err)
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "move_mount", Path: target, Err: err}
	}
	return nil
}

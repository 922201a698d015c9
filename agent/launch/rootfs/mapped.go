package rootfs

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units/bundle"
)

// prepareMapped makes the writable layer the users' own, and mounts the init layer, whose path it
// returns, and a /proc with nothing over it, without which the kernel lets no other be mounted in a
// user namespace (mount_too_revealing in its fs/namespace.c): the node's may have something. The
// writable layer cannot be mapped: overlayfs works in it as root of the node, who has no id there.
func (r *Root) prepareMapped(upper string) (string, error) {
	own := filepath.Join(bundle.ContainersDir, r.ID)
	uid, gid := r.users.Root()
	if err := os.Chown(upper, uid, gid); err != nil {
		return "", err
	}
	kernel := filepath.Join(own, "proc")
	if err := os.Mkdir(kernel, 0o755); err != nil {
		return "", err
	}
	if err := unix.Mount("proc", kernel, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return "", fmt.Errorf("mount a proc file system: %w", err)
	}
	first := filepath.Join(own, "init")
	return first, r.mountMapped(initLayerDir, first)
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

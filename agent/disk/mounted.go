package disk

import "golang.org/x/sys/unix"

// magics are the numbers by which statfs(2) calls file systems, by their types.
var magics = map[string]uint32{"nsfs": unix.NSFS_MAGIC, "tmpfs": unix.TMPFS_MAGIC, "hugetlbfs": unix.HUGETLBFS_MAGIC}

// IsMounted reports whether a file system of this type is mounted at a path: nsfs, tmpfs or hugetlbfs.
func IsMounted(path, kind string) bool {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return IsMount(fd, kind)
}

// IsMount reports whether a descriptor stands for the root of a mount (statx(2), from Linux 5.8 on) of a file system of
// this type.
func IsMount(fd int, kind string) bool {
	var stat unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, 0, &stat); err != nil || stat.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
		return false
	}
	var system unix.Statfs_t
	err := unix.Fstatfs(fd, &system)
	return err == nil && uint32(system.Type) == magics[kind]
}

package facts

import (
	"errors"

	"golang.org/x/sys/unix"
)

// RecursiveReadOnly reports whether the kernel changes options of a mount and of all mounts below it
// (mount_setattr(2), Linux 5.12).
func RecursiveReadOnly() bool {
	err := unix.MountSetattr(-1, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	return !errors.Is(err, unix.ENOSYS)
}

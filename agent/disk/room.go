package disk

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// RoomRetry bounds the time from one try to the next where a write failed as [IsUnwritable] says. A try costs
// the node little and no server anything, so room that comes back is used soon.
const RoomRetry = 15 * time.Second

// IsUnwritable reports whether an error is of a file system that takes no writes now: it is full, over a quota or
// read-only.
func IsUnwritable(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EROFS)
}

// IsReadOnly reports whether nothing can be written at a path, or where it will be: its mount or its file system is
// read-only.
func IsReadOnly(path string) (bool, error) {
	for {
		var stat unix.Statfs_t
		err := unix.Statfs(path, &stat)
		if parent := filepath.Dir(path); errors.Is(err, unix.ENOENT) && parent != path {
			path = parent
			continue
		}
		if err != nil {
			return false, &os.PathError{Op: "statfs", Path: path, Err: err}
		}
		return stat.Flags&unix.ST_RDONLY != 0, nil
	}
}

package images

import (
	"fmt"
	"os"

	"go.podman.io/image/v5/types"
	"go.podman.io/storage"
	"golang.org/x/sys/unix"
)

const (
	// minFree is the room that stays free on the storage's file system, in bytes, and minInodes the number of files that can still
	// be made there: a full disk stops more than a pull.
	minFree   = 256 << 20
	minInodes = 1 << 10
	// unpacked is the room that a layer takes, in sizes of its compressed form: that form
	// itself while it is fetched, and its files, usually twice as much.
	unpacked = 3
)

// checkSpace refuses a pull that would fill the disk. layers are the image's, as far as
// known; those already on the node need no room.
func checkSpace(store storage.Store, layers []types.BlobInfo) error {
	var missing int64
	for _, layer := range layers {
		known, err := store.LayersByCompressedDigest(layer.Digest)
		if (err != nil || len(known) == 0) && layer.Size > 0 {
			missing += layer.Size
		}
	}
	need := uint64(minFree + unpacked*missing)
	room, err := roomAt(store.GraphRoot())
	if err != nil {
		return err
	}
	if room.bytes < need {
		return errNoRoom{fmt.Sprintf("%s has %d MiB free, the pull needs %d: make room, for example with podman image prune", store.GraphRoot(), room.bytes>>20, need>>20)}
	}
	return nil
}

// errNoRoom is ENOSPC before a write has met it.
type errNoRoom struct{ text string }

func (e errNoRoom) Error() string { return e.text }

func (errNoRoom) Is(target error) bool { return target == unix.ENOSPC }

// room is the free space of a file system of some size.
type room struct {
	bytes, inodes, size uint64
	// counted is false where the file system makes inodes as they are needed.
	counted bool
}

// isFull reports whether a pull must not take more.
func (r room) isFull() bool { return r.bytes < minFree || r.counted && r.inodes < minInodes }

// isShort is [room.isFull] for a file system on which layers lie only while they are fetched: it may be a small one.
func (r room) isShort() bool { return r.bytes < min(minFree, r.size/8) }

func roomAt(path string) (room, error) {
	dir, err := os.OpenFile(path, unix.O_PATH, 0)
	if err != nil {
		return room{}, fmt.Errorf("free space of %s: %w", path, err)
	}
	defer dir.Close()
	return roomOf(dir)
}

// roomOf is [roomAt] for an open file or handle.
func roomOf(file *os.File) (room, error) {
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(file.Fd()), &stat); err != nil {
		return room{}, os.NewSyscallError("fstatfs", err)
	}
	return room{stat.Bavail * uint64(stat.Bsize), stat.Ffree, stat.Blocks * uint64(stat.Bsize), stat.Files > 0}, nil
}

// syncStorage makes all that the storage wrote durable: its layers are synced one by one,
// its lists of images and containers are not all.
func syncStorage(store storage.Store) error {
	root, err := os.Open(store.GraphRoot())
	if err != nil {
		return fmt.Errorf("sync image storage: %w", err)
	}
	defer root.Close()
	if err := unix.Syncfs(int(root.Fd())); err != nil {
		return fmt.Errorf("sync image storage: %w", err)
	}
	return nil
}

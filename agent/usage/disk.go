package usage

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/untrusted"
)

// maxDepth is how deep measured directories may be nested: an open file is needed for each.
const maxDepth = 256

// ErrTooDeep is returned for directories that are nested deeper than can be measured.
var ErrTooDeep = fmt.Errorf("directories are nested deeper than %d", maxDepth)

// Disk is how many bytes files and directories take on their disks, with all below them. It stops once there are more
// than the most that matter. A container may change all of it meanwhile: links are not followed, vanished files are left out, and
// other file systems that are mounted in it do not count. A directory that changes while it is read is read again, for
// a large file, or a directory, that got another name: renaming hides neither for more than a few looks.
//
// Each name counts for [nameSize] bytes at least, so that the number of a container's files bounds the time to look at them.
func Disk(ctx context.Context, most int64, paths ...string) (int64, error) {
	m := measure{ctx: ctx, most: most, rereads: maxRereads, known: map[uint64]bool{}}
	for _, path := range paths {
		if err := m.addPath(path); err != nil {
			return m.sum, fmt.Errorf("measure %s: %w", path, err)
		}
	}
	return m.sum, nil
}

// nameSize is the least size of a name: an inode of ext4 has 256 bytes, which st_blocks leaves out.
const nameSize = 256

const (
	// largeShare is the part of the most that matters from which a file is a large one: fewer than so many are ever counted.
	largeShare = 4096
	// maxKnown bounds the inodes that are remembered, and with them the memory that a look takes.
	maxKnown = 1 << 16
	// maxRereads is how many names are read again in all, and rereads how often a directory.
	maxRereads = 200_000
	rereads    = 32
)

// measure is a measurement so far.
type measure struct {
	ctx       context.Context
	most, sum int64
	device    uint64
	// known are the inodes of the large files and of the directories that were counted.
	known map[uint64]bool
	// rereads is how many more names may be read again.
	rereads int
}

func (m *measure) isOver() bool { return m.sum > m.most }

func (m *measure) addPath(path string) error {
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		return ifThere(err)
	}
	m.device = stat.Dev
	_, err := m.add(unix.AT_FDCWD, path, &stat, 0)
	return err
}

// add adds an entry of a directory, and reports whether it was still there.
func (m *measure) add(dir int, name string, stat *unix.Stat_t, depth int) (found bool, err error) {
	if stat.Dev != m.device {
		return true, nil
	}
	// Each name of a file has its part: a container could link to one file often, and a list of those seen would grow with it.
	if isDir := stat.Mode&unix.S_IFMT == unix.S_IFDIR; !isDir {
		m.sum += max(taken(stat)/int64(max(stat.Nlink, 1)), nameSize)
		if m.isLarge(stat) {
			m.remember(stat.Ino)
		}
		return true, nil
	}
	if depth == maxDepth {
		return true, ErrTooDeep
	}
	entered, err := untrusted.OpenDirectoryAt(dir, name)
	if err != nil {
		return false, ifThere(err)
	}
	m.sum += max(taken(stat), nameSize)
	m.remember(stat.Ino)
	return true, errors.Join(m.addEntries(int(entered.Fd()), depth+1), entered.Close())
}

// taken is the room that a file takes on the disk, by the unit of st_blocks (inode(7)).
func taken(stat *unix.Stat_t) int64 { return stat.Blocks * 512 }

func (m *measure) isLarge(stat *unix.Stat_t) bool { return taken(stat) > m.most/largeShare }

func (m *measure) remember(inode uint64) {
	if len(m.known) < maxKnown {
		m.known[inode] = true
	}
}

// addEntries adds the entries of a directory. If that changes meanwhile it looks again for those it has missed, a few times.
func (m *measure) addEntries(dir, depth int) error {
	buffer := make([]byte, wholeBuffer)
	for try := 0; ; try++ {
		began, err := now()
		if err != nil {
			return err
		}
		vanished, err := m.readOnce(dir, depth, buffer, try > 0)
		if err != nil || m.isOver() || m.rereads <= 0 || try == rereads {
			return err
		}
		if changed, err := changedSince(dir, began); err != nil || !changed && !vanished {
			return err
		}
		if _, err := unix.Seek(dir, 0, unix.SEEK_SET); err != nil {
			return err
		}
		buffer = buffer[:soonBuffer]
	}
}

const (
	wholeBuffer = 32 << 10
	// soonBuffer has room for a few names only, so that each is looked at as soon as it was read. The longest needs 280 bytes
	// (getdents64(2)).
	soonBuffer = 288
)

// now is the time by the clock of timestamps in file systems.
func now() (unix.Timespec, error) {
	var now unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now)
	return now, os.NewSyscallError("clock_gettime", err)
}

// changedSince reports whether names in a directory have changed since a time.
func changedSince(dir int, since unix.Timespec) (bool, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(dir, &stat); err != nil {
		return false, os.NewSyscallError("fstat", err)
	}
	return stat.Ctim.Nano() >= since.Nano(), nil
}

// readOnce reads a directory and reports whether a name had vanished by the time that it was looked at.
func (m *measure) readOnce(dir, depth int, buffer []byte, again bool) (vanished bool, err error) {
	for !m.isOver() {
		if err := m.ctx.Err(); err != nil {
			return vanished, err
		}
		n, err := unix.ReadDirent(dir, buffer)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n <= 0 || err != nil {
			return vanished, ifThere(err)
		}
		_, _, names := unix.ParseDirent(buffer[:n], -1, nil)
		if again {
			m.rereads -= len(names)
		}
		for _, name := range names {
			found, err := m.addEntry(dir, name, depth, again)
			if err != nil {
				return vanished, err
			}
			vanished = vanished || !found
		}
	}
	return vanished, nil
}

// addEntry adds an entry; when a directory is read again, only one that counts and was not counted yet.
func (m *measure) addEntry(dir int, name string, depth int, again bool) (found bool, err error) {
	var stat unix.Stat_t
	if err := unix.Fstatat(dir, name, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, ifThere(err)
	}
	if m.isOver() || again && !m.wasMissed(&stat) {
		return true, nil
	}
	return m.add(dir, name, &stat, depth)
}

// wasMissed reports whether an entry was surely not counted before: small files are not remembered.
func (m *measure) wasMissed(stat *unix.Stat_t) bool {
	isDir := stat.Mode&unix.S_IFMT == unix.S_IFDIR
	return (isDir && len(m.known) < maxKnown || !isDir && m.isLarge(stat)) && !m.known[stat.Ino]
}

// ifThere leaves out the error of a file that vanished meanwhile, or was replaced.
func ifThere(err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil
	}
	return err
}

// Free is the free space of a file system.
type Free struct{ Bytes, Inodes uint64 }

// FreeAt is the free space of the file system of a path.
func FreeAt(path string) (Free, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return Free{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return Free{stat.Bfree * uint64(stat.Bsize), stat.Ffree}, nil
}

// Quota says whether the kernel holds a directory to a limit.
type Quota struct {
	// Holds is set where the directory has a project quota of that many bytes, Full where that is used up.
	Holds, Full bool
}

// fullRoom is the most that is left of a quota that is used up: less than a file usually needs, and less than a hundredth.
const fullRoom = 1 << 20

// QuotaAt reports whether the kernel holds a directory to a limit. Instead of the disk's, statfs(2) has the size and the free
// space of a directory's project, if that has a limit and new files in the directory inherit the project (ext4 from
// Linux 4.5 on, XFS).
func QuotaAt(path string, limit int64) (Quota, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return Quota{}, ifThere(&os.PathError{Op: "statfs", Path: path, Err: err})
	}
	return quotaOf(&stat, uint64(limit)), nil
}

func quotaOf(stat *unix.Statfs_t, limit uint64) Quota {
	block := uint64(stat.Bsize)
	size, free := stat.Blocks*block, stat.Bfree*block
	if size+block <= limit || size >= limit+block { // a quota has whole blocks
		return Quota{}
	}
	return Quota{Holds: true, Full: free < min(fullRoom, size/100) || stat.Files > 0 && stat.Ffree == 0}
}

package usage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/untrusted"
)

// maxDepth is how deep directories may be nested in what is measured: an open file is needed for each.
const maxDepth = 256

// ErrTooDeep is returned for directories that are nested deeper than can be measured.
var ErrTooDeep = fmt.Errorf("directories are nested deeper than %d", maxDepth)

// Disk is how many bytes files and directories take on their disks, with all that is in them. It stops once there are more
// than the most that matter. A container may change all of it meanwhile: links are not followed, what goes is left out, and
// other file systems that are mounted in it do not count.
func Disk(ctx context.Context, most int64, paths ...string) (int64, error) {
	m := measure{ctx: ctx, most: most}
	for _, path := range paths {
		if err := m.addPath(path); err != nil {
			return m.sum, fmt.Errorf("measure %s: %w", path, err)
		}
	}
	return m.sum, nil
}

// measure is what was measured so far.
type measure struct {
	ctx       context.Context
	most, sum int64
	device    uint64
}

func (m *measure) isOver() bool { return m.sum > m.most }

func (m *measure) addPath(path string) error {
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		return ifThere(err)
	}
	m.device = stat.Dev
	return m.add(unix.AT_FDCWD, path, &stat, 0)
}

// add adds an entry of a directory.
func (m *measure) add(dir int, name string, stat *unix.Stat_t, depth int) error {
	if stat.Dev != m.device {
		return nil
	}
	// Each name of a file has its part: a container could link to one file often, and a list of those seen would grow with it.
	if isDir := stat.Mode&unix.S_IFMT == unix.S_IFDIR; !isDir {
		m.sum += stat.Blocks * blockSize / int64(max(stat.Nlink, 1))
		return nil
	}
	m.sum += stat.Blocks * blockSize
	if depth == maxDepth {
		return ErrTooDeep
	}
	entered, err := untrusted.OpenDirectoryAt(dir, name)
	if err != nil {
		return ifThere(err)
	}
	return errors.Join(m.addEntries(entered, depth+1), entered.Close())
}

// blockSize is the unit of st_blocks (inode(7)).
const blockSize = 512

// some is how many entries of a directory are read at once: a directory may have any number.
const some = 1024

func (m *measure) addEntries(dir *os.File, depth int) error {
	for !m.isOver() {
		if err := m.ctx.Err(); err != nil {
			return err
		}
		names, err := dir.Readdirnames(some)
		for _, name := range names {
			if err := m.addEntry(int(dir.Fd()), name, depth); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return ifThere(err)
		}
	}
	return nil
}

func (m *measure) addEntry(dir int, name string, depth int) error {
	var stat unix.Stat_t
	if err := unix.Fstatat(dir, name, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return ifThere(err)
	}
	if m.isOver() {
		return nil
	}
	return m.add(dir, name, &stat, depth)
}

// ifThere leaves out the error of what went meanwhile, or became something else.
func ifThere(err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil
	}
	return err
}

// Free is what a file system has left.
type Free struct{ Bytes, Inodes uint64 }

// FreeAt is what the file system of a path has left.
func FreeAt(path string) (Free, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return Free{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return Free{stat.Bfree * uint64(stat.Bsize), stat.Ffree}, nil
}

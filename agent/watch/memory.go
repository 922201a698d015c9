package watch

import (
	"crypto/sha256"
	"io/fs"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// memory has the content of files when they were read last, by path.
type memory struct {
	before, now map[string]remembered
	clock       func() time.Time // nil is the real one
}

// content is a file's text.
type content struct {
	text []byte
	sum  [sha256.Size]byte
}

type remembered struct {
	inode inode
	content
}

// inode differs if a file was replaced or written. The kernel sets the time of change,
// programs cannot.
type inode struct {
	device, number uint64
	size           int64
	changed        unix.Timespec
}

func inodeOf(info fs.FileInfo) (inode, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return inode{}, false
	}
	return inode{uint64(stat.Dev), stat.Ino, stat.Size, unix.Timespec(stat.Ctim)}, true
}

// recall returns the content of a file that was not written since.
func (m *memory) recall(path string, info fs.FileInfo) (content, bool) {
	known, ok := m.before[path]
	now, regular := inodeOf(info)
	if !ok || !regular || known.inode != now {
		return content{}, false
	}
	m.keep(path, known)
	return known.content, true
}

// settled is the least age of a change after which the next one has another time, on all file systems: FAT's clock has
// a resolution of two seconds.
const settled = 3 * time.Second

// note remembers the content of a file that had this inode before it was read.
func (m *memory) note(path string, info fs.FileInfo, c content) {
	clock := m.clock
	if clock == nil {
		clock = time.Now
	}
	inode, ok := inodeOf(info)
	if ok && clock().Sub(time.Unix(inode.changed.Unix())) > settled {
		m.keep(path, remembered{inode, c})
	}
}

func (m *memory) keep(path string, r remembered) {
	if m.now == nil {
		m.now = make(map[string]remembered, len(m.before))
	}
	m.now[path] = r
}

// forget forgets files that are gone.
func (m *memory) forget() { m.before, m.now = m.now, nil }

package network

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/untrusted"
)

// patch is a change of the lines of a network: text replaces all from offset at on. before is their length before the
// change, in bytes.
type patch struct {
	at, before int
	text       []byte
}

// apply patches the lines that come after base bytes in an /etc/hosts. It does nothing to a file that is not
// as long as it should be: a container may write its own. There may be a thousand to patch for one start, and
// an [os.File] for each costs more than all the rest.
func (p patch) apply(path string, base int) (patched bool, err error) {
	fd, err := untrusted.OpenDescriptor(path, unix.O_WRONLY)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() {
		if failure := unix.Close(fd); err == nil && failure != nil {
			err = &fs.PathError{Op: "close", Path: path, Err: failure}
		}
	}()
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return false, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if stat.Size != int64(base+p.before) {
		return false, nil
	}
	for written := 0; written < len(p.text); {
		n, err := unix.Pwrite(fd, p.text[written:], int64(base+p.at+written))
		if err != nil {
			return false, &fs.PathError{Op: "write", Path: path, Err: err}
		}
		written += n
	}
	if now := p.at + len(p.text); now < p.before {
		if err := unix.Ftruncate(fd, int64(base+now)); err != nil {
			return false, &fs.PathError{Op: "truncate", Path: path, Err: err}
		}
	}
	return true, nil
}

// difference is the patch that makes new lines of old ones.
func difference(old, new string) patch {
	same := commonPrefix(old, new)
	return patch{at: same, before: len(old), text: []byte(new[same:])}
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

package resolver

import (
	"bytes"
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/untrusted"
)

// Replace gives the file of a running container another text, unless the container has edited the file. It
// writes in place: the file is bind mounted, so the container would not see another one.
//
// The container may have done anything to the file that its owner can. A lease on it (fcntl(2), F_SETLEASE) is
// an error, [untrusted.ErrLeased]: the kernel takes the lease away meanwhile.
func Replace(path string, text []byte) (changed bool, err error) {
	file, err := untrusted.Open(path, unix.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // the container has ended
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil || info.Size() > 2*maxFile {
		return false, err
	}
	before := make([]byte, info.Size())
	if _, err := file.ReadAt(before, 0); err != nil {
		return false, err
	}
	if bytes.Equal(before, text) || !isMarked(before) {
		return false, nil
	}
	// One write, so that a process that ends half-way leaves one text or the other, with empty lines at most.
	whole := append(bytes.Clone(text), bytes.Repeat([]byte("\n"), max(len(before)-len(text), 0))...)
	if _, err := file.WriteAt(whole, 0); err != nil {
		return false, err
	}
	return true, file.Truncate(int64(len(text)))
}

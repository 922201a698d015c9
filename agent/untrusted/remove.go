package untrusted

import (
	"cmp"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// removeDepth is how deep [RemoveAll] descends: it has a directory open for each level. Deeper directories are moved up
// first. The path names that programs use end at 4096 bytes, so only deliberate nesting gets there.
const removeDepth = 64

// someNames is how many entries of a directory are read at once: a directory may have any number.
const someNames = 1024

// RemoveAll removes the file at a path in a directory that no container can change, with all that is in it, however deep a
// container has nested it: [os.RemoveAll] needs an open file for each level. Links are removed and not followed, and mounts
// stay, with an error. If the path does not exist it does nothing.
func RemoveAll(path string) error {
	parent, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: filepath.Dir(path), Err: err}
	}
	defer unix.Close(parent)
	r := removal{top: -1}
	return inPath(path, r.remove(parent, filepath.Base(path), 0))
}

// removal is one call of [RemoveAll].
type removal struct {
	top  int // the topmost directory, into which deeper ones are moved
	done int // how many entries were removed or moved
}

// remove removes an entry of a directory.
func (r *removal) remove(dir int, name string, depth int) error {
	err := unix.Unlinkat(dir, name, 0)
	if errors.Is(err, unix.EISDIR) {
		err = unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
	}
	switch {
	case errors.Is(err, unix.ENOTEMPTY):
		if depth > removeDepth {
			return r.moveUp(dir, name)
		}
		return r.removeDirectory(dir, name, depth)
	case err == nil:
		r.done++
	}
	return unlessGone(err)
}

// removeDirectory removes one that is not empty.
func (r *removal) removeDirectory(dir int, name string, depth int) error {
	entered, err := enter(dir, name)
	if err != nil {
		return unlessGone(err)
	}
	defer entered.Close()
	if depth == 0 {
		r.top = int(entered.Fd())
	}
	for {
		before := r.done
		err := r.removeEntries(entered, depth+1)
		if rmdirErr := unix.Unlinkat(dir, name, unix.AT_REMOVEDIR); !errors.Is(rmdirErr, unix.ENOTEMPTY) {
			r.done++
			return unlessGone(rmdirErr)
		} else if r.done == before {
			return cmp.Or(err, rmdirErr)
		}
		// Something was moved here, had no room before, or was left out by readdir(3), which may happen where entries go.
		if _, err := entered.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
}

// enter opens a directory that is no link and that nothing is mounted on.
func enter(dir int, name string) (*os.File, error) {
	fd, err := unix.Openat2(dir, name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | always,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// removeEntries removes all that is in a directory, or as much as it can.
func (r *removal) removeEntries(dir *os.File, depth int) error {
	var failures []error
	for {
		names, err := dir.Readdirnames(someNames)
		for _, name := range names {
			if err := r.remove(int(dir.Fd()), name, depth); err != nil && len(failures) < maxFailures {
				failures = append(failures, inPath(name, err))
			}
		}
		if errors.Is(err, io.EOF) {
			return errors.Join(failures...)
		}
		if err != nil {
			return errors.Join(append(failures, err)...)
		}
	}
}

// maxFailures is how many entries an error names.
const maxFailures = 3

// moveUp moves a directory into the topmost one, under a name that nothing there has.
func (r *removal) moveUp(dir int, name string) error {
	err := unix.Renameat2(dir, name, r.top, rand.Text(), unix.RENAME_NOREPLACE)
	if err == nil {
		r.done++
	}
	return unlessGone(err)
}

// unlessGone leaves out the error of a file that has gone meanwhile.
func unlessGone(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

func inPath(path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: "remove", Path: path, Err: err}
}

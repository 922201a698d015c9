// Package quota gives directories a limit that the kernel enforces: a project quota (quotactl(2)), where their file
// system has those switched on, as ext4 and XFS do with the mount option prjquota. It knows projects and their ids. It
// knows nothing of whose the directories are.
package quota

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
)

// FileSystem is one that enforces project quotas. The caller closes it.
type FileSystem struct{ fd int }

// On is the file system of a directory, or nil if it enforces no project quotas, or if the kernel cannot say so by a
// descriptor: quotactl_fd(2) came with Linux 5.14. Either costs three system calls.
func On(dir string) (*FileSystem, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	f := &FileSystem{fd: fd}
	if !f.isEnforced() {
		f.Close()
		return nil, nil
	}
	return f, nil
}

// Close closes the file system; limits stay.
func (f *FileSystem) Close() { unix.Close(f.fd) }

// Limit is how much a project may have.
type Limit struct{ Bytes, Inodes uint64 }

// patience bounds the wait for others that choose an id.
const patience = 5 * time.Second

// Bound makes directories one project with a limit, with all that will be made in them: they are empty. The project is
// recorded in a file before anything is set, see [Release]. Directories that the same file records already, because
// another caller shares them, keep their project and get the limit. Those that belong to a project of the node's owner
// stay in it, which is an error.
func (f *FileSystem) Bound(record string, limit Limit, dirs ...string) error {
	// The lock is on the directory that the file system was opened by. It ends with this function, or with the process.
	if err := disk.FlockWithin(f.fd, unix.LOCK_EX, patience); err != nil {
		return fmt.Errorf("choose a project: %w", os.NewSyscallError("flock", err))
	}
	defer unix.Flock(f.fd, unix.LOCK_UN)
	id, err := f.projectFor(record, dirs)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := setProject(dir, id); err != nil {
			return fmt.Errorf("make %s part of project %d: %w", dir, id, err)
		}
	}
	// Only a project that has a directory gets a limit: until then another caller may choose the same id.
	if err := f.set(id, limit); err != nil {
		return fmt.Errorf("limit project %d: %w", id, err)
	}
	return nil
}

// projectFor is the project that directories have, or a new one, which is recorded.
func (f *FileSystem) projectFor(record string, dirs []string) (uint32, error) {
	known, err := recorded(record)
	if err != nil {
		return 0, err
	}
	for _, dir := range dirs {
		id, err := projectOf(dir)
		if err != nil {
			return 0, fmt.Errorf("find the project of %s: %w", dir, err)
		}
		if slices.Contains(known, project{id, dir}) {
			return id, nil
		}
		if id != 0 {
			return 0, fmt.Errorf("%s belongs to project %d already", dir, id)
		}
	}
	named, err := namedProjects()
	if err != nil {
		return 0, err
	}
	id, err := choose(named, f.isUsed)
	if err != nil {
		return 0, err
	}
	return id, write(record, project{id, dirs[0]})
}

// Release takes back the limits of the projects that a file records, as far as their directories still belong to them. It
// comes before these are removed. Without the file, which is so for almost all callers, it costs one system call.
func Release(dir, record string) error {
	projects, err := recorded(record)
	if len(projects) == 0 || err != nil {
		return err
	}
	f, err := On(dir)
	if f == nil || err != nil {
		return err // without quotas a limit does nothing, and the next project of this id replaces it
	}
	defer f.Close()
	var failures []error
	for _, p := range projects {
		if err := f.release(p); err != nil {
			failures = append(failures, fmt.Errorf("take back the limit of project %d: %w", p.id, err))
		}
	}
	return errors.Join(failures...)
}

// release takes back the limit of a project, unless its directory does not belong to it: then the caller that recorded it was
// interrupted, or a container has changed it, and the project may be another's by now.
func (f *FileSystem) release(p project) error {
	id, err := projectOf(p.dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && id != p.id {
		return nil
	}
	if err != nil {
		return err
	}
	return f.set(id, Limit{})
}

// project is one that is on record, with its first directory.
type project struct {
	id  uint32
	dir string
}

// write adds a project to a record.
func write(record string, p project) error {
	file, err := os.OpenFile(record, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, p.id, p.dir)
	return errors.Join(err, file.Close())
}

// recorded are the projects of a record. Only those that [choose] gives are any: other content of the file is no
// reason to change the limits of others.
func recorded(record string) ([]project, error) {
	text, err := os.ReadFile(record)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var projects []project
	for line := range strings.Lines(string(text)) {
		number, dir, whole := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		id, err := strconv.ParseUint(number, 10, 32)
		if err == nil && whole && id >= firstID && id <= lastID {
			projects = append(projects, project{uint32(id), dir})
		}
	}
	return projects, nil
}

package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Lock takes a flock(2) on a file, made where it is missing, and waits for it: how is
// unix.LOCK_SH or unix.LOCK_EX. With unix.LOCK_NB it does not wait, and the error is
// unix.EWOULDBLOCK when another holds the lock. The lock ends with its holder, however
// that ends.
func Lock(path string, how int) (unlock func(), err error) {
	file, err := openLock(path)
	if err != nil {
		return nil, err
	}
	return locked(file, flock(int(file.Fd()), how))
}

// openLock opens the file of a lock.
func openLock(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, unix.EISDIR) { // a directory in the place of a lock
		if err := os.RemoveAll(path); err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		file, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return file, nil
}

// flock is flock(2), also where a signal interrupts it.
func flock(fd, how int) error {
	for {
		if err := unix.Flock(fd, how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// locked is the result of [Lock] after it tried to lock a file.
func locked(file *os.File, err error) (unlock func(), _ error) {
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", file.Name(), errors.Join(err, file.Close()))
	}
	// Closing the only descriptor unlocks; an error needs no action.
	return func() { _ = file.Close() }, nil
}

// lockCheck is how often [FlockWithin] tries to take a lock: flock(2) knows no deadline.
const lockCheck = 10 * time.Millisecond

// FlockWithin takes a flock(2) on an open file, how being unix.LOCK_SH or unix.LOCK_EX. It waits for another holder for
// that long at most; the error is unix.EWOULDBLOCK then.
func FlockWithin(fd, how int, patience time.Duration) error {
	for end := time.Now().Add(patience); ; time.Sleep(lockCheck) {
		err := flock(fd, how|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(end) {
			return err
		}
	}
}

// LockWithin is [Lock] for a caller that can do without: it waits for that long at most.
func LockWithin(path string, how int, patience time.Duration) (unlock func(), err error) {
	file, err := openLock(path)
	if err != nil {
		return nil, err
	}
	err = FlockWithin(int(file.Fd()), how, patience)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("another process has held it for more than %s, fuser -v %s shows which: %w", patience, path, err)
	}
	return locked(file, err)
}

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
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, unix.EISDIR) { // what is in the place of a lock that does not belong there
		if err := os.RemoveAll(path); err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		file, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	for {
		err = unix.Flock(int(file.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, errors.Join(err, file.Close()))
	}
	// Closing the only descriptor is what unlocks; there is nothing to do about an error.
	return func() { _ = file.Close() }, nil
}

// lockCheck is how often [LockWithin] tries to take a lock.
const lockCheck = 20 * time.Millisecond

// LockWithin is [Lock] for a caller that can do without: it waits for that long at most.
func LockWithin(path string, how int, patience time.Duration) (unlock func(), err error) {
	for end := time.Now().Add(patience); ; time.Sleep(lockCheck) {
		unlock, err = Lock(path, how|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return unlock, err
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("another process has held it for more than %s, fuser -v %s shows which: %w", patience, path, err)
		}
	}
}

package images

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/disk"
)

// Several davit processes may use the storage at once: the agent and commands. Their locks
// are flock(2)s below the runtime directory, which end with their holder.

// lockCheck is how often a process that waits for another one's lock tries to take it.
const lockCheck = 100 * time.Millisecond

// lockImage has one task at a time change an image, in all davit processes.
func (s *Store) lockImage(ctx context.Context, imageID string) (unlock func(), err error) {
	path := filepath.Join(s.settings.runDir, "images", imageID+".lock")
	for {
		unlock, err = disk.Lock(path, unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return unlock, err
		}
		select {
		case <-time.After(lockCheck):
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for another pull of this image: %w", context.Cause(ctx))
		}
	}
}

// pullsLock is held, shared, by processes that pull.
func (s *Store) pullsLock() string { return filepath.Join(s.settings.runDir, "images", "pulls.lock") }

// alone runs f if no process pulls, and keeps pulls from beginning meanwhile.
func (s *Store) alone(run func() error) error {
	unlock, err := disk.Lock(s.pullsLock(), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	return run()
}

package disk

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestALockIsWaitedForWithinBounds(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(path, unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LockWithin(path, unix.LOCK_SH, 50*time.Millisecond); !errors.Is(err, unix.EWOULDBLOCK) || !strings.Contains(err.Error(), "fuser -v "+path) {
		t.Errorf("a lock that is held: %v", err)
	}
	time.AfterFunc(100*time.Millisecond, unlock)
	unlock, err = LockWithin(path, unix.LOCK_SH, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

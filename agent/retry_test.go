package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestRoomThatComesBackIsUsedSoon(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		failures int
		err      error
		longest  time.Duration
	}{
		"the first failure":          {0, errors.New("refused"), 3 * time.Second},
		"many failures":              {50, errors.New("refused"), maxRetry * 3 / 2},
		"no room for long":           {50, fmt.Errorf("write unit: %w", &fs.PathError{Op: "write", Err: unix.ENOSPC}), 30 * time.Second},
		"over a quota for long":      {50, unix.EDQUOT, 30 * time.Second},
		"read-only for long":         {50, errors.Join(errors.New("other"), unix.EROFS), 30 * time.Second},
		"no room for the first time": {0, unix.ENOSPC, 3 * time.Second},
	} {
		for range 100 {
			if wait := retryWait(test.failures, test.err); wait >= test.longest || wait <= 0 {
				t.Fatalf("%s: waits %s", name, wait)
			}
		}
	}
}

// Package cache keeps files that tests make once on a machine.
package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Lock returns the cache's directory once this program is the only one that holds its lock of
// this name. The lock ends with the program at the latest.
func Lock(name string) (dir string, unlock func(), err error) {
	base := os.Getenv("XDG_CACHE_HOME")
	if base == "" {
		base = "/var/cache"
	}
	dir = filepath.Join(base, "davit-e2e")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, err
	}
	path := filepath.Join(dir, name)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		return "", nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return dir, func() { file.Close() }, nil
}

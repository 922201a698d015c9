package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Stamp is the part of stat(2) of a directory that shows changes of its content: a new or removed name in the directory
// itself changes its modification time, and a subdirectory also the number of its links, also if a file
// system check sets the time. A copy that keeps times has the same stamp.
func Stamp(dir string) (string, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is no directory", dir)
	}
	return fmt.Sprintf("%d-%d", info.ModTime().UnixNano(), info.Sys().(*syscall.Stat_t).Nlink), nil
}

// CheckStamps is an error unless each directory is as its stamp says. Relative ones are below base. Without
// stamps, they only have to exist.
func CheckStamps(base string, dirs, stamps []string) error {
	for i, dir := range dirs {
		path := dir
		if !filepath.IsAbs(dir) {
			path = filepath.Join(base, dir)
		}
		stamp, err := Stamp(path)
		if err != nil {
			return err
		}
		if len(stamps) == len(dirs) && stamps[i] != stamp {
			return fmt.Errorf("%s has changed on the disk", path)
		}
	}
	return nil
}

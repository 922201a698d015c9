// Package disk writes files that survive a power loss whole: with their old content or
// with the new. It knows nothing of their content.
package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile leaves the file with this content and mode, durably. Its directory is made,
// for root alone, where it is missing.
func WriteFile(path string, content []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	file, err := os.CreateTemp(dir, newPrefix+"*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Chmod(mode), file.Sync(), file.Close())
	if err == nil {
		err = Replace(path, file.Name())
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(file.Name())))
	}
	return SyncDir(dir)
}

// Replace gives a file its name. An empty directory of that name is a mistake and is removed.
func Replace(path, file string) error {
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return os.Rename(file, path)
}

// newPrefix begins the name of a file that is being written.
const newPrefix = ".davit-new-"

// Tidy removes the rest of interrupted writes from directories. No program may write there meanwhile. A
// missing directory is empty.
func Tidy(dirs ...string) error {
	for _, dir := range dirs {
		left, err := filepath.Glob(filepath.Join(dir, newPrefix+"*"))
		if err != nil {
			return fmt.Errorf("tidy %s: %w", dir, err)
		}
		for _, file := range left {
			if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("tidy %s: %w", dir, err)
			}
		}
	}
	return nil
}

// SyncDir makes the names in a directory durable.
func SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}

// Unchanged reports whether a file is the same as before, as far as stat(2) shows.
func Unchanged(before, now fs.FileInfo) bool {
	return os.SameFile(before, now) && before.Size() == now.Size() && before.ModTime().Equal(now.ModTime())
}

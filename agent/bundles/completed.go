package bundles

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/units/bundle"
)

// RetireJob puts the record aside that the bundle's job has ended well.
func (s Store) RetireJob(_ context.Context, dirName string) error {
	if err := rename(bundle.CompletedDir, dirName, dirName+bundle.PutAside); err != nil {
		return fmt.Errorf("retire job: %w", err)
	}
	return nil
}

// RecallJob has a record count again that was put aside.
func (s Store) RecallJob(_ context.Context, dirName string) error {
	if err := rename(bundle.CompletedDir, dirName+bundle.PutAside, dirName); err != nil {
		return fmt.Errorf("recall job: %w", err)
	}
	return nil
}

// ForgetJob removes the record.
func (s Store) ForgetJob(_ context.Context, dirName string) error {
	if err := forget(bundle.CompletedDir, dirName); err != nil {
		return fmt.Errorf("forget job: %w", err)
	}
	return nil
}

// Completed are the records of jobs that have ended well, by the bundle's directory, and when they did: those that
// count, and those that were put aside.
func Completed() (completed, putAside map[string]time.Time, err error) {
	completed, putAside, err = records(bundle.CompletedDir)
	if err != nil {
		return nil, nil, fmt.Errorf("list ended jobs: %w", err)
	}
	return completed, putAside, nil
}

// rename gives a record another name, unless a call that was interrupted has done so.
func rename(dir, from, to string) error {
	if err := errors.Join(checkName(from), checkName(to)); err != nil {
		return err
	}
	err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return disk.SyncDir(dir)
}

func forget(dir, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	for _, file := range []string{name, name + bundle.PutAside} {
		if err := os.Remove(filepath.Join(dir, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func records(dir string) (completed, putAside map[string]time.Time, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	completed, putAside = map[string]time.Time{}, map[string]time.Time{}
	for _, entry := range entries {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if name, aside := strings.CutSuffix(entry.Name(), bundle.PutAside); aside {
			putAside[name] = info.ModTime()
		} else {
			completed[name] = info.ModTime()
		}
	}
	return completed, putAside, nil
}

// Package bundles keeps bundles on the disk, one directory each, never rewritten.
package bundles

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/units/bundle"
)

// Store is the node's bundles.
type Store struct{}

// EnsureBundle leaves the bundle on the disk, durably. Its directory appears with its
// content or not at all.
func (Store) EnsureBundle(_ context.Context, dirName string, text []byte) error {
	if err := ensure(dirName, text); err != nil {
		return fmt.Errorf("write bundle %s: %w", dirName, err)
	}
	return nil
}

func ensure(dirName string, text []byte) error {
	if err := os.MkdirAll(bundle.BundlesDir, 0o700); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(bundle.BundlesDir, ".new-*")
	if err != nil {
		return err
	}
	err = disk.WriteFile(filepath.Join(dir, bundle.ConfigFile), text, 0o600)
	if err == nil {
		err = os.Rename(dir, bundle.Path(dirName))
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	return disk.SyncDir(bundle.BundlesDir)
}

// RemoveBundle removes the bundle.
func (Store) RemoveBundle(_ context.Context, dirName string) error {
	if filepath.Base(dirName) != dirName {
		return fmt.Errorf("remove bundle: %q is not a name", dirName)
	}
	if err := os.RemoveAll(bundle.Path(dirName)); err != nil {
		return fmt.Errorf("remove bundle: %w", err)
	}
	return nil
}

// List returns the names of the bundles' directories. What an interrupted write left is
// among them, under a name that no bundle has.
func List() ([]string, error) {
	entries, err := os.ReadDir(bundle.BundlesDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list bundles: %w", err)
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, nil
}

// Read returns a bundle; nil when it is not there or cannot be read, which means that it
// must be written again.
func Read(dirName string) *bundle.Bundle {
	text, err := os.ReadFile(filepath.Join(bundle.Path(dirName), bundle.ConfigFile))
	if err != nil {
		return nil
	}
	b, err := bundle.Decode(text)
	if err != nil {
		return nil
	}
	return b
}

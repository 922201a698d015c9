package cleanup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/agent/launch/record"
	"github.com/davit-project/davit/units/bundle"
)

// Finish notes that the container of a unit that completes has succeeded, and removes its leftovers, as the unit may
// stay active for long. The record of the bundle that ran stays until the unit stops.
func Finish(ctx context.Context, id string) error {
	if err := finish(ctx, id); err != nil {
		return fmt.Errorf("finish %s: %w", id, err)
	}
	return nil
}

func finish(ctx context.Context, id string) error {
	if !record.IsID(id) {
		return fmt.Errorf("%q is not the id of a container", id)
	}
	link := bundle.RunningBundle(id)
	dir, err := os.Readlink(link)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	b, err := record.ReadBundle(filepath.Dir(link))
	if err != nil {
		return err
	}
	if b.RunOnce {
		if err := complete(filepath.Base(dir)); err != nil {
			return err
		}
	}
	if err := cleanUpWhole(ctx, id); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
		return err
	}
	return os.Symlink(dir, link)
}

// complete keeps a bundle from running again, also after a power loss.
func complete(bundleDir string) error {
	if err := os.MkdirAll(bundle.CompletedDir, 0o700); err != nil {
		return err
	}
	if err := disk.WriteFile(bundle.CompletedFile(bundleDir), nil, 0o600); err != nil {
		return err
	}
	return disk.SyncDir(bundle.CompletedDir)
}

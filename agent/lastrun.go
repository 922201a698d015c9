package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// lastRun reads how the container of a unit last ended; nil when it has not since boot.
func lastRun(unit string) (*bundle.LastRun, error) {
	text, err := os.ReadFile(bundle.LastRunFile(strings.TrimSuffix(unit, ".service")))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var run bundle.LastRun
	if err == nil {
		err = json.Unmarshal(text, &run)
	}
	if err != nil {
		return nil, fmt.Errorf("read how %s last ended: %w", unit, err)
	}
	return &run, nil
}

// unitFiles keeps unit files. What was noted of a unit's runs goes with its file.
type unitFiles struct{ *units.Systemd }

// RemoveUnit implements [reconcile.UnitFiles].
func (u unitFiles) RemoveUnit(ctx context.Context, name string) error {
	if err := u.Systemd.RemoveUnit(ctx, name); err != nil {
		return err
	}
	if err := os.Remove(bundle.LastRunFile(strings.TrimSuffix(name, ".service"))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget how %s ended: %w", name, err)
	}
	return nil
}

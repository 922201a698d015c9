package generations

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/reconcile/history"
)

// Files of decisions, beside the generations.
const (
	quarantineFile = "quarantine.json"
	pinFile        = "rollback.json"
	suspendedFile  = "suspended.json"
)

// Pin keeps the node as a generation was until the manifests change.
type Pin struct {
	Generation int       `json:"generation"`
	Since      time.Time `json:"since"`
	// Manifests tells the manifests that were there from others.
	Manifests string `json:"manifests"`
}

// Decisions are the differences from the manifests that were decided, and why.
type Decisions struct {
	// Quarantine are the versions that did not work, by object.
	Quarantine map[string]history.Quarantined
	// Pin is nil where there was no rollback.
	Pin *Pin
	// Suspended are the objects that nothing changes, or "" for all of them, and since when.
	Suspended map[string]time.Time
}

// Decisions reads them all. One that cannot be read is as if it were not there; its error is joined to
// the result.
func (s Store) Decisions() (Decisions, error) {
	d := Decisions{Quarantine: map[string]history.Quarantined{}, Suspended: map[string]time.Time{}}
	var failures []error
	for name, into := range map[string]any{quarantineFile: &d.Quarantine, pinFile: &d.Pin, suspendedFile: &d.Suspended} {
		err := readJSON(filepath.Join(s.root(), name), into)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			failures = append(failures, fmt.Errorf("read the decisions: %w", err))
		}
	}
	return d, errors.Join(failures...)
}

// SetQuarantine replaces the quarantine.
func (s Store) SetQuarantine(quarantine map[string]history.Quarantined) error {
	return s.decide(quarantineFile, quarantine, len(quarantine) == 0)
}

// SetPin pins the node to a generation; nil removes the pin.
func (s Store) SetPin(pin *Pin) error { return s.decide(pinFile, pin, pin == nil) }

// SetSuspended replaces the suspended objects.
func (s Store) SetSuspended(suspended map[string]time.Time) error {
	return s.decide(suspendedFile, suspended, len(suspended) == 0)
}

// decide writes a decision, or removes it.
func (s Store) decide(name string, value any, none bool) error {
	path := filepath.Join(s.root(), name)
	if !none {
		if err := writeJSON(path, value); err != nil {
			return fmt.Errorf("decide: %w", err)
		}
		return nil
	}
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("decide: %w", err)
	}
	return disk.SyncDir(s.root())
}

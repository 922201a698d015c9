package systemd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// Current reads where the links lead: the names of the bundles' directories, by id. left are the links of interrupted
// writes.
func Current() (current map[string]string, left []string, err error) {
	entries, err := os.ReadDir(bundle.CurrentDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("read which bundles units start: %w", err)
	}
	current = make(map[string]string, len(entries))
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, newPrefix) {
			left = append(left, bundle.CurrentBundle(name))
			continue
		}
		if target, err := os.Readlink(bundle.CurrentBundle(name)); err == nil && filepath.Dir(target) == bundle.BundlesDir {
			current[name] = filepath.Base(target)
		}
	}
	return current, left, nil
}

// hasCurrent reports whether there is a link of a unit, wherever it leads.
func hasCurrent(name string) bool {
	_, err := os.Readlink(bundle.CurrentBundle(names.ID(name)))
	return err == nil
}

// setCurrent leaves the link of a unit leading to the bundle that its text starts, durably. A unit without a bundle has
// none.
func setCurrent(name, text string) error {
	own, err := units.ParseOwn(text)
	if err != nil || own.Bundle == "" {
		return err
	}
	link := bundle.CurrentBundle(names.ID(name))
	if target, err := os.Readlink(link); err == nil && target == own.Bundle {
		return syncDir(bundle.CurrentDir) // an interrupted call may not have
	}
	if err := os.MkdirAll(bundle.CurrentDir, 0o700); err != nil {
		return err
	}
	fresh := filepath.Join(bundle.CurrentDir, newPrefix+filepath.Base(link))
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(own.Bundle, fresh); err != nil {
		return err
	}
	if err := os.Rename(fresh, link); err != nil {
		return err
	}
	return syncDir(bundle.CurrentDir)
}

// removeCurrent removes the link of a unit, durably: a definition that systemd still has loaded can start nothing from
// then on.
func removeCurrent(name string) error {
	err := os.Remove(bundle.CurrentBundle(names.ID(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(bundle.CurrentDir)
}

package systemd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/davit-project/davit/units"
)

// enabledDirs are the directories in which systemctl enable and systemctl enable --runtime make links.
var enabledDirs = []string{"/etc/systemd/system", "/run/systemd/system"}

// Enabled are the links of enabled units, by directory and unit.
type Enabled map[string]bool

// ReadEnabled reads them.
func ReadEnabled() (Enabled, error) {
	enabled := Enabled{}
	for _, dir := range enabledDirs {
		for _, kind := range units.LinkKinds {
			targets, err := filepath.Glob(filepath.Join(dir, "*"+kind))
			if err != nil {
				return nil, err
			}
			for _, target := range targets {
				if err := enabled.read(target); err != nil {
					return nil, fmt.Errorf("read which units are enabled: %w", err)
				}
			}
		}
	}
	return enabled, nil
}

func (e Enabled) read(target string) error {
	dir, err := os.Open(target)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it goes with its last link
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	for _, name := range names {
		e[filepath.Base(target)+"/"+name] = true
	}
	return err
}

// Lacks reports whether a unit should be enabled and has none of the links that make it so.
func (e Enabled) Lacks(name string, own units.Own) bool {
	for link := range strings.FieldsSeq(own.Links) {
		if e[link+"/"+name] {
			return false
		}
	}
	return own.Links != ""
}

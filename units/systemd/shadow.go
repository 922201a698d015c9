package systemd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
)

// SystemDir is the directory of an operator's unit files, and of the links of enabled units.
const SystemDir = "/etc/systemd/system"

// overDirs are the directories in which systemd looks for a unit before [bundle.UnitsDir] (systemd.unit(5)): it prefers a file there
// to davit's.
var overDirs = []string{
	"/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient", "/run/systemd/generator.early", SystemDir,
}

// Shadows are the files, by unit, that systemd uses instead of those that davit wrote, as after systemctl edit --full.
// A mask is none.
func Shadows(own map[string]units.Own) (map[string]string, error) {
	shadows := map[string]string{}
	for _, dir := range overDirs {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("find units that replace davit's: %w", err)
		}
		for _, entry := range entries {
			name := entry.Name()
			if _, isOwn := own[name]; !isOwn || shadows[name] != "" {
				continue
			}
			if path := filepath.Join(dir, name); takesPlace(path, name) {
				shadows[name] = path
			}
		}
	}
	return shadows, nil
}

// takesPlace reports whether a file is a unit of its own: neither davit's under a further name nor a mask, which is empty.
func takesPlace(path, name string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return false
	}
	davits, err := os.Stat(filepath.Join(bundle.UnitsDir, name))
	return err != nil || !os.SameFile(info, davits)
}

package units

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/davit-project/davit/units/bundle"
)

// The text of a unit names the bundle that it starts, by a directory that is named by its content. The file names a link
// to that directory, see [bundle.CurrentBundle]: a new version changes where the link leads and not the file, so that
// systemd need not read the files of all units again. A text is compared and kept as a whole; only here it is two things.

// linksSince is the first format whose files name links.
const linksSince = 4

// bundlePath is the directory of a bundle (bundle.DirName), currentPath the link to that of a unit.
var (
	bundlePath  = regexp.MustCompile(regexp.QuoteMeta(bundle.BundlesDir) + `/([A-Za-z0-9@._-]+)-[0-9a-f]{16}( |$)`)
	currentPath = regexp.MustCompile(regexp.QuoteMeta(bundle.CurrentDir) + `/([A-Za-z0-9@._-]+)`)
)

// OnDisk is the text of the file of a unit.
func OnDisk(text string) string {
	_, format, _ := cutSignature(text)
	if format < linksSince {
		return text
	}
	return withLinks(text)
}

// withLinks is a unit's text with links in the place of bundles.
func withLinks(text string) string {
	return inCommands(text, func(command string) string {
		return bundlePath.ReplaceAllString(command, bundle.CurrentDir+"/$1$2")
	})
}

// withBundles is a unit's text with the bundles in the place of the links to them. A link that is not there stays.
func withBundles(text string, current map[string]string) string {
	return inCommands(text, func(command string) string {
		return currentPath.ReplaceAllStringFunc(command, func(link string) string {
			if dirName, ok := current[filepath.Base(link)]; ok {
				return bundle.Path(dirName)
			}
			return link
		})
	})
}

// inCommands replaces the commands of a unit's text, ExecStart= and the others.
func inCommands(text string, replace func(command string) string) string {
	var changed strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "Exec") {
			line = replace(strings.TrimSuffix(line, "\n")) + "\n"
		}
		changed.WriteString(line)
	}
	return changed.String()
}

// linked are the ids whose links a file names.
func linked(text string) []string {
	var ids []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "Exec") {
			continue
		}
		for _, match := range currentPath.FindAllStringSubmatch(line, -1) {
			ids = append(ids, match[1])
		}
	}
	return ids
}

// readCurrent reads where the links lead: the names of the bundles' directories, by id. left are the links of interrupted
// writes.
func readCurrent() (current map[string]string, left []string, err error) {
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
	_, err := os.Readlink(bundle.CurrentBundle(strings.TrimSuffix(name, ".service")))
	return err == nil
}

// setCurrent leaves the link of a unit leading to the bundle that its text starts, durably. A unit without a bundle has
// none.
func setCurrent(name, text string) error {
	own, err := ParseOwn(text)
	if err != nil || own.Bundle == "" {
		return err
	}
	link := bundle.CurrentBundle(strings.TrimSuffix(name, ".service"))
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

// removeCurrent removes the link of a unit, durably: what systemd still knows of the unit starts nothing any more.
func removeCurrent(name string) error {
	err := os.Remove(bundle.CurrentBundle(strings.TrimSuffix(name, ".service")))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(bundle.CurrentDir)
}

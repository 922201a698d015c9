package systemd

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/units"
	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

// pendingReload exists from before a unit file is written until systemd has read it. systemd itself tells so only of
// units that it has loaded, and only by the times of files.
const pendingReload = bundle.RunDir + "/reload"

// PendingReload reports whether unit files were written that systemd was not made to read.
func PendingReload() bool {
	_, err := os.Lstat(pendingReload)
	return err == nil
}

// Files reads davit's units, each once for as long as its file and its link are the same. Its methods may not be called
// from several goroutines at once; the zero value has read none.
type Files struct {
	read map[string]readFile
	left []string // files and links of interrupted writes
	// orphans are the units whose links remain though their files are gone: their removal was interrupted.
	orphans []string
}

// readFile is a unit that was read.
type readFile struct {
	stamp stamp
	links map[string]string // where the links lead that the file names, by id
	own   units.Own
	err   error // it is not davit's
}

// stamp has the results of stat(2) that change with the text of a file.
type stamp struct {
	device, inode  uint64
	size           int64
	modified, meta unix.Timespec
}

// List returns the unit files that carry davit's stamp, by unit name.
func (f *Files) List() (map[string]units.Own, error) {
	dir, err := os.Open(bundle.UnitsDir)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]units.Own{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list units: %w", err)
	}
	defer dir.Close()
	entries, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list units: %w", err)
	}
	current, left, err := Current()
	if err != nil {
		return nil, err
	}
	f.left, f.orphans = left, orphans(current, entries)
	read, own := make(map[string]readFile, len(f.read)), make(map[string]units.Own, len(f.read))
	for _, name := range entries {
		if strings.HasPrefix(name, newPrefix) {
			f.left = append(f.left, filepath.Join(bundle.UnitsDir, name))
			continue
		}
		if _, known := f.read[name]; !known && !names.Valid(name) {
			continue
		}
		file, err := f.file(dir, name, current)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a dangling link, or removed since
		}
		if err != nil {
			continue // it is no file that davit could have written
		}
		if read[name] = file; file.err == nil {
			own[name] = file.own
		}
	}
	f.read = read
	return own, nil
}

func (f *Files) file(dir *os.File, name string, current map[string]string) (readFile, error) {
	var stat unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &stat, 0); err != nil {
		return readFile{}, err
	}
	now := stamp{uint64(stat.Dev), stat.Ino, stat.Size, stat.Mtim, stat.Ctim}
	if known, ok := f.read[name]; ok && known.stamp == now && known.isCurrent(current) {
		return known, nil
	}
	text, err := os.ReadFile(filepath.Join(bundle.UnitsDir, name))
	if err != nil {
		return readFile{}, err
	}
	links := map[string]string{}
	for _, id := range units.Linked(string(text)) {
		links[id] = current[id]
	}
	own, err := units.ParseOwn(units.WithBundles(string(text), current))
	return readFile{now, links, own, err}, nil
}

// isCurrent reports whether the links lead where they did.
func (f readFile) isCurrent(current map[string]string) bool {
	for id, dirName := range f.links {
		if current[id] != dirName {
			return false
		}
	}
	return true
}

// dropInDirs are the directories in which systemctl edit and systemctl set-property make drop-ins (systemd.unit(5)).
var dropInDirs = []string{
	"/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient",
	"/etc/systemd/system", "/run/systemd/system", bundle.UnitsDir,
}

// DropIns tells the drop-ins of the node's units from later ones.
func DropIns() (string, error) {
	hash := sha256.New()
	for _, dir := range dropInDirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.d", "*.conf"))
		if err != nil {
			return "", fmt.Errorf("list drop-ins: %w", err)
		}
		for _, file := range files {
			if info, err := os.Stat(file); err == nil {
				fmt.Fprintln(hash, file, info.Size(), info.ModTime().UnixNano())
			}
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// newPrefix begins the name of a unit file that is being written. No unit's name begins with a dot.
const newPrefix = ".davit-new-"

// Tidy removes the leftovers of interrupted writes and removals that [Files.List] has found, but for the links of units
// that are in use. No units may be written meanwhile.
func (f *Files) Tidy(inUse func(unit string) bool) error {
	for _, path := range f.left {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("tidy units: %w", err)
		}
	}
	for _, unit := range f.orphans {
		if inUse(unit) {
			continue
		}
		if err := removeCurrent(unit); err != nil {
			return fmt.Errorf("tidy units: %w", err)
		}
	}
	f.left, f.orphans = nil, nil
	return nil
}

// orphans are the units of links that have no file.
func orphans(current map[string]string, files []string) (orphans []string) {
	units := make(map[string]bool, len(files))
	for _, file := range files {
		units[file] = true
	}
	for id := range current {
		if unit := id + ".service"; !units[unit] {
			orphans = append(orphans, unit)
		}
	}
	return orphans
}

// ensureUnit leaves the file of a unit and its link as its text says. A file never names a missing link, and
// the link keeps its target if the file cannot be written.
func ensureUnit(name, text string) error {
	if !names.Valid(name) {
		return fmt.Errorf("write unit: %q is not a name of a davit unit", name)
	}
	if err := os.MkdirAll(bundle.UnitsDir, 0o755); err != nil {
		return fmt.Errorf("write unit %s: %w", name, err)
	}
	steps := []func(name, text string) error{ensureFile, setCurrent}
	if !hasCurrent(name) || !hasFile(name) {
		slices.Reverse(steps)
	}
	for _, step := range steps {
		if err := step(name, text); err != nil {
			return fmt.Errorf("write unit %s: %w", name, err)
		}
	}
	return nil
}

func hasFile(name string) bool {
	_, err := os.Lstat(filepath.Join(bundle.UnitsDir, name))
	return err == nil
}

func ensureFile(name, text string) error {
	onDisk := units.OnDisk(text)
	if now, err := os.ReadFile(filepath.Join(bundle.UnitsDir, name)); err == nil && string(now) == onDisk {
		return syncDir(bundle.UnitsDir) // an interrupted call may not have
	}
	return writeFile(name, onDisk)
}

// writeFile leaves the unit file with this text, durably: after a power loss it has the
// old text or the new one.
func writeFile(name, text string) (err error) {
	if err := notePending(); err != nil {
		return err
	}
	file, err := os.CreateTemp(bundle.UnitsDir, newPrefix+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = file.WriteString(text)
	err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(file.Name(), filepath.Join(bundle.UnitsDir, name)); err != nil {
		return err
	}
	return syncDir(bundle.UnitsDir)
}

// removeUnit removes the file of a unit, and then its link: if that is interrupted, no file names a missing link.
func removeUnit(name string) error {
	if err := notePending(); err != nil {
		return fmt.Errorf("remove unit: %w", err)
	}
	if err := os.RemoveAll(filepath.Join(bundle.UnitsDir, name)); err != nil {
		return fmt.Errorf("remove unit: %w", err)
	}
	if err := errors.Join(syncDir(bundle.UnitsDir), removeCurrent(name)); err != nil {
		return fmt.Errorf("remove unit: %w", err)
	}
	return nil
}

// etcDir is the directory in which systemctl enable makes links (systemd.unit(5)).
const etcDir = "/etc/systemd/system"

// removeLinks removes the links below a directory of units that systemctl enable makes for a unit: those of its name by
// which others start it, and those by which it has other names. A mask is neither.
func removeLinks(dir, name string) error {
	links, err := aliases(dir, name)
	if err != nil {
		return err
	}
	for _, kind := range units.LinkKinds {
		targets, err := filepath.Glob(filepath.Join(dir, "*"+kind))
		if err != nil {
			return err
		}
		for _, target := range targets {
			if link := filepath.Join(target, name); isLink(link) {
				links = append(links, link)
			}
		}
	}
	for _, link := range links {
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if of := filepath.Dir(link); of != dir {
			_ = os.Remove(of) // it goes with its last link
		}
		if err := syncLink(link); err != nil {
			return err
		}
	}
	return nil
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// aliases are the links by which a unit has other names.
func aliases(dir, name string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var links []string
	for _, entry := range entries {
		if entry.Type() != fs.ModeSymlink || entry.Name() == name {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		if target, err := os.Readlink(path); err == nil && filepath.Base(target) == name {
			links = append(links, path)
		}
	}
	return links, nil
}

func notePending() error {
	if err := os.MkdirAll(bundle.RunDir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(pendingReload, nil, 0o600)
}

func clearPending() error {
	if err := os.Remove(pendingReload); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reload systemd's units: %w", err)
	}
	return nil
}

// syncLink makes durable that systemd made a link in a directory such as multi-user.target.wants, or
// removed it: systemd does not. The directory comes with its first link and goes with its last.
func syncLink(path string) error {
	dir := filepath.Dir(path)
	if err := syncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync unit directory: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("sync unit directory: %w", err)
	}
	return nil
}

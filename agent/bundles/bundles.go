// Package bundles keeps bundles on the disk, one directory each, never rewritten. It
// knows how they get there whole; their content is the business of units/bundle.
package bundles

import (
	"bytes"
	"cmp"
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
type Store struct {
	// dir is bundle.BundlesDir where it is empty; tests have their own.
	dir string
}

func (s Store) root() string { return cmp.Or(s.dir, bundle.BundlesDir) }

// config is the file that a bundle's text is in.
func (s Store) config(dirName string) string {
	return filepath.Join(s.root(), dirName, bundle.ConfigFile)
}

// newPrefix begins the name of a directory that is being written. No bundle's name begins
// with a dot.
const newPrefix = ".new-"

// EnsureBundle leaves the bundle on the disk, durably. Its directory appears with its
// content or not at all, and stays untouched where it has that content already.
func (s Store) EnsureBundle(_ context.Context, dirName string, b *bundle.Bundle) error {
	text, err := b.Encode()
	if err != nil {
		return err
	}
	if err := s.ensure(dirName, text, b.Files); err != nil {
		return fmt.Errorf("write bundle %s: %w", dirName, err)
	}
	return nil
}

func (s Store) ensure(dirName string, text []byte, files []bundle.File) error {
	if err := checkName(dirName); err != nil {
		return err
	}
	path := filepath.Join(s.root(), dirName)
	if old, err := os.ReadFile(filepath.Join(path, bundle.ConfigFile)); err == nil && bytes.Equal(old, text) {
		// An interrupted call may have left it there without having synced its name.
		return disk.SyncDir(s.root())
	}
	if err := os.MkdirAll(s.root(), 0o700); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(s.root(), newPrefix)
	if err != nil {
		return err
	}
	err = writeFiles(dir, files)
	if err == nil {
		// The configuration comes last: with it, a bundle is whole.
		err = disk.WriteFile(filepath.Join(dir, bundle.ConfigFile), text, 0o600)
	}
	if err == nil {
		err = s.moveIn(dir, path)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	return disk.SyncDir(s.root())
}

// writeFiles writes the bundle's files. Their directories can be read by all, as a
// container sees them; the bundle's own cannot.
func writeFiles(dir string, files []bundle.File) error {
	for _, file := range files {
		if !filepath.IsLocal(file.Path) {
			return fmt.Errorf("file %q leads out of the bundle", file.Path)
		}
		path := filepath.Join(dir, file.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := disk.WriteFile(path, file.Content, os.FileMode(file.Mode)); err != nil {
			return err
		}
		if err := os.Chown(path, file.UID, file.GID); err != nil {
			return err
		}
	}
	return nil
}

// moveIn gives a written bundle its name. A directory that has the name already is damaged: a name
// comes from the content.
func (s Store) moveIn(dir, path string) error {
	err := os.Rename(dir, path)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.Rename(dir, path)
}

// RemoveBundle removes the bundle, or the rest of an interrupted write.
func (s Store) RemoveBundle(_ context.Context, dirName string) error {
	if err := checkName(dirName); err != nil {
		return fmt.Errorf("remove bundle: %w", err)
	}
	if err := os.RemoveAll(filepath.Join(s.root(), dirName)); err != nil {
		return fmt.Errorf("remove bundle: %w", err)
	}
	return nil
}

// checkName refuses anything but the name of one entry of the directory.
func checkName(name string) error {
	if name == "." || !filepath.IsLocal(name) || filepath.Base(name) != name {
		return fmt.Errorf("%q is not a bundle's name", name)
	}
	return nil
}

// List returns the names of the bundles' directories. The rest of an interrupted write is
// among them, under a name that no bundle has, so that it is removed as unused.
func List() ([]string, error) { return Store{}.list() }

func (s Store) list() ([]string, error) {
	entries, err := os.ReadDir(s.root())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list bundles: %w", err)
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, nil
}

// Cache reads bundles, each once for as long as its file is the same. Its methods may not be called from
// several goroutines at once; the zero value is empty.
type Cache struct{ known map[string]*known }

// known is the knowledge about a bundle that is whole.
type known struct {
	file   fs.FileInfo
	bundle *bundle.Bundle // nil if it was not asked for since the last Forget but one
	asked  bool           // since the last Forget
}

// Whole reports whether a bundle is on the disk as it was written: any other must be written again. Read returns the
// given one for it from then on, as decoding a thousand takes a second and memory that Go does not give back.
func (c *Cache) Whole(dirName string, b *bundle.Bundle) bool {
	k := c.look(Store{}, dirName)
	if k == nil {
		return false
	}
	k.bundle, k.asked = b, true
	return true
}

// Read returns a bundle, which callers must not change; nil when it is not whole.
func (c *Cache) Read(dirName string) *bundle.Bundle { return c.read(Store{}, dirName) }

func (c *Cache) read(s Store, dirName string) *bundle.Bundle {
	k := c.look(s, dirName)
	if k == nil {
		return nil
	}
	k.asked = true
	if k.bundle == nil {
		k.bundle = decode(s.config(dirName))
	}
	return k.bundle
}

// look returns the knowledge about a bundle; nil when it is not whole. A bundle's name comes from its text, so
// any damage of the text is seen.
func (c *Cache) look(s Store, dirName string) *known {
	path := s.config(dirName)
	file, err := os.Stat(path)
	if err != nil {
		return nil
	}
	if before, ok := c.known[dirName]; ok && disk.Unchanged(before.file, file) {
		return before
	}
	text, err := os.ReadFile(path)
	if err != nil || bundle.DirName(bundle.IDOf(dirName), text) != dirName {
		return nil
	}
	if c.known == nil {
		c.known = map[string]*known{}
	}
	c.known[dirName] = &known{file: file}
	return c.known[dirName]
}

// Forget forgets the bundles that are not on the disk any more, and the content of those that were not asked
// for since it was called last.
func (c *Cache) Forget(onDisk []string) {
	kept := make(map[string]*known, len(c.known))
	for _, name := range onDisk {
		k, ok := c.known[name]
		if !ok {
			continue
		}
		if !k.asked {
			k.bundle = nil
		}
		k.asked = false
		kept[name] = k
	}
	c.known = kept
}

// decode returns the bundle in a file; nil when it is not there or cannot be read.
func decode(path string) *bundle.Bundle {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	b, err := bundle.Decode(text)
	if err != nil {
		return nil
	}
	return b
}

package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/davit-project/davit/units/bundle"
)

// BundleAt is the directory of a bundle that a unit starts, and the container's id. The path is that of the directory, or
// of the link to it that leads there now.
func BundleAt(path string) (dir, id string) {
	if filepath.Dir(path) != bundle.CurrentDir {
		return path, bundle.IDOf(filepath.Base(path))
	}
	if target, err := os.Readlink(path); err == nil {
		return target, filepath.Base(path)
	}
	return path, filepath.Base(path) // to read it fails, and says why
}

// ReadBundle reads the bundle in a directory.
func ReadBundle(dir string) (*bundle.Bundle, error) {
	b, _, err := ReadConfig(dir)
	return b, err
}

// ReadConfig reads a bundle, and returns the text of its configuration too.
func ReadConfig(dir string) (*bundle.Bundle, []byte, error) {
	text, err := os.ReadFile(filepath.Join(dir, bundle.ConfigFile))
	if err != nil {
		return nil, nil, fmt.Errorf("read bundle: %w: run davit apply to write it again", err)
	}
	b, err := bundle.Decode(text)
	if err != nil {
		return nil, nil, fmt.Errorf("read bundle %s: %w", dir, err)
	}
	return b, text, nil
}

// ReadRunning reads the bundle of a running container.
func ReadRunning(id string) (*bundle.Bundle, error) {
	if !IsID(id) {
		return nil, fmt.Errorf("%q is not the name of a container", id)
	}
	b, err := ReadBundle(filepath.Join(bundle.AttachmentsDir, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("not running: see systemctl status %s", id)
	}
	if err == nil && IsSandbox(b) {
		return nil, errors.New("it is the sandbox of a pod, which runs nothing: name one of its containers")
	}
	return b, err
}

// Shared is the id of the container or sandbox whose files of /etc and empty directories a container has.
func Shared(b *bundle.Bundle) string {
	if b.Sandbox != "" {
		return b.Sandbox
	}
	return b.ID
}

// IsSandbox reports whether a bundle is that of a sandbox, which runs nothing.
func IsSandbox(b *bundle.Bundle) bool { return b.Spec.Process == nil }

// BundlesOf are the bundles that the node has of a container, the newest first. Those that cannot be read are left
// out.
func BundlesOf(id string) []*bundle.Bundle {
	entries, err := os.ReadDir(bundle.BundlesDir)
	if err != nil {
		return nil
	}
	type dated struct {
		*bundle.Bundle
		since time.Time
	}
	var found []dated
	for _, entry := range entries {
		if bundle.IDOf(entry.Name()) != id {
			continue
		}
		b, err := ReadBundle(bundle.Path(entry.Name()))
		info, failure := entry.Info()
		if err == nil && failure == nil && b.ID == id {
			found = append(found, dated{b, info.ModTime()})
		}
	}
	slices.SortFunc(found, func(a, b dated) int { return b.since.Compare(a.since) })
	var bundles []*bundle.Bundle
	for _, one := range found {
		bundles = append(bundles, one.Bundle)
	}
	return bundles
}

package images

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"go.podman.io/storage/pkg/lockfile"
	"golang.org/x/sys/unix"
)

// Each layer has a file, link, with the name of a symbolic link to it below l, by which it is mounted.
// The storage library (1.65) does not sync that file before it has unpacked the layer, so that a power
// loss meanwhile leaves it empty; and when it then removes the layer, because that was only begun, the
// empty name makes it remove l, with the links of all layers. So links are put right before the library
// may touch anything.

// linkFile and linksDir are what they are called below the driver's directory.
const (
	linkFile = "link"
	linksDir = "l"
)

// mendLinks makes the link files and links of the layers below a storage's root agree. It holds
// the storage's lock of layers, so that nobody makes one meanwhile.
func mendLinks(graphRoot string) error {
	m := mender{root: filepath.Join(graphRoot, driver)}
	if _, err := os.Stat(m.root); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lock, err := lockfile.GetLockFile(filepath.Join(graphRoot, driver+"-layers", "layers.lock"))
	if err != nil {
		return fmt.Errorf("mend links of image storage %s: %w", graphRoot, err)
	}
	lock.Lock()
	defer lock.Unlock()
	if err := m.mend(); err != nil {
		return fmt.Errorf("mend links of image storage %s: %w", graphRoot, err)
	}
	if m.mended > 0 {
		slog.Warn("links of image layers were damaged, as a power loss leaves them, and are put right", "storage", graphRoot, "layers", m.mended)
	}
	return nil
}

// mender puts right what is below root, and counts.
type mender struct {
	root   string
	mended int
}

func (m *mender) mend() error {
	names, err := m.names()
	if err != nil {
		return err
	}
	layers, err := os.ReadDir(m.root)
	if err != nil {
		return err
	}
	for _, layer := range layers {
		if !layer.IsDir() {
			continue
		}
		if triedOut.MatchString(layer.Name()) {
			if err := m.removeStale(layer); err != nil {
				return err
			}
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.root, layer.Name(), linkFile))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a directory of the storage's own
		}
		if err != nil {
			return err
		}
		if err := m.mendLayer(layer.Name(), string(text), names[layer.Name()]); err != nil {
			return err
		}
	}
	return nil
}

// triedOut are the directories in which the library tries, as it opens the storage, what the kernel can
// do. A power loss leaves them.
var triedOut = regexp.MustCompile(`^(compat|opaque-bug-check|metacopy-check|volatile-check)[0-9]+$`)

// removeStale removes such a directory of an earlier boot: whoever made it is no more, and so are the
// mounts in it.
func (m *mender) removeStale(dir fs.DirEntry) error {
	info, err := dir.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its maker has removed it
	}
	if err != nil {
		return err
	}
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return os.NewSyscallError("clock_gettime", err)
	}
	if info.ModTime().After(time.Now().Add(-time.Duration(up.Nano()))) {
		return nil
	}
	return os.RemoveAll(filepath.Join(m.root, dir.Name()))
}

// names are those of the links that there are, by layer.
func (m *mender) names() (map[string]string, error) {
	dir := filepath.Join(m.root, linksDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	links, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, link := range links {
		target, err := os.Readlink(filepath.Join(dir, link.Name()))
		if err != nil {
			return nil, err
		}
		names[filepath.Base(filepath.Dir(target))] = link.Name()
	}
	return names, nil
}

// mendLayer has a layer's file say how its link is called, or makes that link. name is the one of the
// link that leads to the layer; without one, an empty file is of no use.
func (m *mender) mendLayer(layer, text, name string) error {
	file := filepath.Join(m.root, layer, linkFile)
	link := filepath.Join(m.root, linksDir, text)
	_, err := os.Lstat(link)
	switch {
	case text == "" && name == "":
		m.mended++
		return os.Remove(file)
	case text == "":
		m.mended++
		return os.WriteFile(file, []byte(name), 0o644)
	case errors.Is(err, fs.ErrNotExist):
		m.mended++
		return os.Symlink(filepath.Join("..", layer, "diff"), link)
	}
	return err
}

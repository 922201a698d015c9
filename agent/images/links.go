package images

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Each layer has a file, link, with the name of a symbolic link to it below l, by which it is mounted. The storage
// library (1.65) does not sync that file before it has unpacked the layer, so that a power loss meanwhile leaves it
// empty; and when it then removes the layer, because that was only begun, the empty name makes it remove l, with the
// links of all layers. So links are repaired before the library may touch anything.

// linkFile and linksDir are their names below the driver's directory.
const (
	linkFile = "link"
	linksDir = "l"
)

// mendLinks makes the link files and links of the layers agree, and the files that name the layers below
// each. The caller holds the storage's lock of layers, so that no process creates one meanwhile.
func (m *mender) mendLinks() error {
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
		if _, known := m.layers[layer.Name()]; !known && !isFile(filepath.Join(m.root, layer.Name(), linkFile)) {
			continue // a directory of the storage's own
		}
		if err := m.mendLayer(layer.Name(), names[layer.Name()]); err != nil {
			return err
		}
	}
	for layer := range m.layers {
		if err := m.mendLower(layer); err != nil {
			return err
		}
	}
	if m.mended > 0 {
		slog.Warn("links of image layers were damaged, as a power loss leaves them, and are put right", "storage", m.graphRoot, "layers", m.mended)
	}
	return nil
}

// triedOut are the directories in which the library, as it opens the storage, tries the features of the
// kernel. A power loss leaves them.
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
	booted, err := bootTime()
	if err != nil || info.ModTime().After(booted) {
		return err
	}
	return os.RemoveAll(filepath.Join(m.root, dir.Name()))
}

func bootTime() (time.Time, error) {
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return time.Time{}, os.NewSyscallError("clock_gettime", err)
	}
	return time.Now().Add(-time.Duration(up.Nano())), nil
}

// names are those of the existing links, by layer. Other files do not count, and are moved aside.
func (m *mender) names() (map[string]string, error) {
	dir := filepath.Join(m.root, linksDir)
	links, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, link := range links {
		target, err := os.Readlink(filepath.Join(dir, link.Name()))
		if errors.Is(err, unix.EINVAL) {
			err = m.setAside(filepath.Join(dir, link.Name()))
		}
		if err != nil {
			return nil, err
		}
		names[filepath.Base(filepath.Dir(target))] = link.Name()
	}
	return names, nil
}

// linkName is the library's pattern of a link's name.
var linkName = regexp.MustCompile(`^[A-Z0-9]{26}$`)

// mendLayer has a layer's file say how its link is called, or makes that link. name is the one of a link
// that leads to the layer; without one, a layer whose file is empty gets a new name, unless the storage does
// not know the layer.
func (m *mender) mendLayer(layer, name string) error {
	file := filepath.Join(m.root, layer, linkFile)
	if info, err := os.Lstat(file); err == nil && !info.Mode().IsRegular() {
		if err := m.setAside(file); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	written := string(text)
	if !linkName.MatchString(written) || m.leadsElsewhere(written, layer) {
		written = ""
	}
	_, known := m.layers[layer]
	switch {
	case written != "":
		name = written
	case name == "" && !known:
		m.mended++
		return removeFile(file)
	case name == "":
		name = rand.Text() // 26 characters, like the library's
	}
	if written == "" {
		m.mended++
		if err := os.WriteFile(file, []byte(name), 0o644); err != nil {
			return err
		}
	}
	link, target := filepath.Join(m.root, linksDir, name), filepath.Join("..", layer, "diff")
	switch has, err := os.Readlink(link); {
	case err == nil && has == target:
		return nil
	case err == nil:
		if err := os.Remove(link); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	m.mended++
	return os.Symlink(target, link)
}

// leadsElsewhere reports whether a link is that of another layer.
func (m *mender) leadsElsewhere(name, layer string) bool {
	target, err := os.Readlink(filepath.Join(m.root, linksDir, name))
	other := filepath.Base(filepath.Dir(target))
	return err == nil && other != layer && isDir(filepath.Join(m.root, other))
}

// lowerFile names the links of all layers below one, the nearest first, and lowerLayersFile their ids.
const (
	lowerFile       = "lower"
	lowerLayersFile = "lower-layers"
)

// mendLower has a layer's files name the layers below it: without them, other tools mount the layer alone.
// Older releases of the library do not write the second one.
func (m *mender) mendLower(layer string) error {
	dir := filepath.Join(m.root, layer)
	var ids, links []string
	for id := m.layers[layer]; id != ""; id = m.layers[id] {
		text, err := os.ReadFile(filepath.Join(m.root, id, linkFile))
		if err != nil || len(ids) > len(m.layers) {
			return nil //nolint:nilerr // a layer of another store, or one that is gone: it is found when it is used
		}
		ids, links = append(ids, id), append(links, filepath.Join(linksDir, string(text)))
	}
	if len(ids) == 0 || !isDir(dir) {
		return nil
	}
	if !m.lowersAre(filepath.Join(dir, lowerFile), ids) {
		if err := m.rewriteLower(filepath.Join(dir, lowerFile), strings.Join(links, ":")); err != nil {
			return err
		}
	}
	file, want := filepath.Join(dir, lowerLayersFile), strings.Join(ids, ":")
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && string(text) == want {
		return nil
	}
	return m.rewriteLower(file, want)
}

// lowersAre reports whether a file names links that lead to these layers.
func (m *mender) lowersAre(file string, ids []string) bool {
	text, err := os.ReadFile(file)
	links := strings.Split(string(text), ":")
	if err != nil || len(links) != len(ids) {
		return false
	}
	for i, link := range links {
		target, err := os.Readlink(filepath.Join(m.root, link))
		if err != nil || filepath.Base(filepath.Dir(target)) != ids[i] {
			return false
		}
	}
	return true
}

func (m *mender) rewriteLower(file, text string) error {
	m.mended++
	if info, err := os.Lstat(file); err == nil && !info.Mode().IsRegular() {
		if err := m.setAside(file); err != nil {
			return err
		}
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

func isFile(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

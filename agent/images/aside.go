package images

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/untrusted"
)

// Damaged parts of the storage are not deleted but moved aside, below the storage's root: a layer
// because running containers may have it mounted, and a mount follows a directory that is renamed;
// other files because they may be of use to a person.

const (
	asideDir = "davit-damaged"
	// asideFiles and asideLayers are for files, of which the newest are kept, and for layers, which are
	// kept while they are mounted.
	asideFiles, asideLayers = asideDir + "/files", asideDir + "/layers"
	// maxAside is how many files are kept.
	maxAside = 10
)

// setAside moves a file away that is damaged, or of the wrong type.
func (m *mender) setAside(path string) error { return m.moveAside(path, asideFiles) }

// setLayerAside moves a layer's directory away, so that the library does not delete it.
func (m *mender) setLayerAside(id string) error {
	return m.moveAside(filepath.Join(m.root, id), asideLayers)
}

func (m *mender) moveAside(path, to string) error {
	dir := filepath.Join(m.graphRoot, to)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	err := os.Rename(path, filepath.Join(dir, fmt.Sprintf("%d-%s", time.Now().UnixNano(), filepath.Base(path))))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, unix.EXDEV):
		return os.RemoveAll(path) // below the run root, whose files do not outlive the boot
	}
	return err
}

// tidyAside deletes layers that were moved aside and are no longer mounted, and all but the newest files.
func (m *mender) tidyAside() error {
	files, err := readNames(filepath.Join(m.graphRoot, asideFiles))
	if err != nil {
		return err
	}
	slices.Sort(files) // by time
	for len(files) > maxAside {
		if err := os.RemoveAll(filepath.Join(m.graphRoot, asideFiles, files[0])); err != nil {
			return err
		}
		files = files[1:]
	}
	layers, err := readNames(filepath.Join(m.graphRoot, asideLayers))
	if err != nil || len(layers) == 0 {
		return err
	}
	mounts, err := overlayMounts()
	if err != nil {
		return err
	}
	for _, name := range layers {
		dir := filepath.Join(m.graphRoot, asideLayers, name)
		if isMounted(dir, mounts) {
			continue
		}
		if err := untrusted.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// isMounted reports whether a layer that was moved aside may be mounted, by any of its names: mounts keep
// the text with which they were made. A layer whose link is not known may be mounted until the next boot.
func isMounted(dir string, mounts []byte) bool {
	moved, id, _ := strings.Cut(filepath.Base(dir), "-")
	since, err := strconv.ParseInt(moved, 10, 64)
	if booted, bootErr := bootTime(); err == nil && bootErr == nil && time.Unix(0, since).Before(booted) {
		return false
	}
	link, _ := os.ReadFile(filepath.Join(dir, linkFile))
	link = bytes.TrimSpace(link)
	return len(link) == 0 || bytes.Contains(mounts, link) || bytes.Contains(mounts, []byte(id))
}

// overlayMounts are the overlay mounts of all mount namespaces that a process is in.
func overlayMounts() ([]byte, error) {
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	return overlayMountsOf(append([]string{"/proc/self"}, processes...), viewOf, os.ReadFile), nil
}

// overlayMountsOf reads the mounts of each view that one of the processes has. A process that enters another
// namespace, or changes its root, while it is read does not stand for the others of the view that it had.
func overlayMountsOf(processes []string, viewOf func(process string) (string, error), readFile func(path string) ([]byte, error)) []byte {
	read := map[string]bool{}
	var mounts []byte
	for _, process := range processes {
		view, err := viewOf(process)
		if err != nil || read[view] {
			continue // it has ended, or another process has the same view
		}
		text, err := readFile(process + "/mountinfo")
		if err != nil {
			continue
		}
		if after, err := viewOf(process); err == nil && after == view {
			read[view] = true
		}
		for line := range bytes.Lines(text) {
			if bytes.Contains(line, []byte(" - overlay ")) {
				mounts = append(mounts, line...)
			}
		}
	}
	return mounts
}

// viewOf identifies the mounts that a process sees: those of its namespace that are below its root.
func viewOf(process string) (string, error) {
	namespace, err := os.Readlink(process + "/ns/mnt")
	if err != nil {
		return "", err
	}
	root, err := os.Readlink(process + "/root")
	return namespace + root, err
}

// readNames are the names in a directory; none where there is no such directory.
func readNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, err
}

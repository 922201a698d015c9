package images

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/untrusted"
	"github.com/davit-project/davit/units/bundle"
)

// Programs that write log files alone are made to write to standard output by a link or a configuration file that names
// it: the official images of nginx and httpd are. Such a file shows at the pull that the container needs a standard
// output that can be opened, and costs a start nothing. A program that has the name built in does not show.

const (
	// maxDepth is how deep directories are looked into, and maxPath how long a path may be.
	maxDepth, maxPath = 32, 1024
	// manyEntries are read of a directory at once.
	manyEntries = 512
)

// passedOver are directories, by path and by name, that have no configuration: file systems of the kernel or the container,
// documents, and the libraries of languages, which may have a hundred thousand files.
var (
	passedOverPaths = []string{"/dev", "/proc", "/sys", "/usr/share/doc", "/usr/share/man", "/usr/share/info", "/usr/include", "/usr/src"}
	passedOverNames = []string{"node_modules", "site-packages", "dist-packages", "gems", ".git"}
)

// opensOutput returns the file of an image that names standard output, and how, for people; "" if none does. lower are
// the image's layers, the topmost first.
func opensOutput(base string, lower []string) (string, error) {
	s := &search{text: make([]byte, bundle.MaxOutputFile)}
	for _, dir := range lower {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(base, dir)
		}
		root, err := os.Open(dir)
		if err != nil {
			return "", fmt.Errorf("look for files that open standard output: %w", err)
		}
		err = errors.Join(s.directory(root, "/", 0), root.Close())
		if err != nil || s.found != "" {
			return s.found, err
		}
		s.above = append(s.above, dir)
	}
	return "", nil
}

// search looks through the files of a layer, until it has found one.
type search struct {
	text  []byte   // room for one file
	above []string // the layers above this one
	found string
}

// report notes a file that names standard output, unless a layer above hides it.
func (s *search) report(file, says string) error {
	hidden, err := isHidden(s.above, file)
	if err == nil && !hidden {
		s.found = file + " " + says
	}
	return err
}

// directory looks through an open directory and those in it. Links lead out of none of them.
func (s *search) directory(dir *os.File, name string, depth int) error {
	for {
		entries, err := dir.ReadDir(manyEntries)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		for _, entry := range entries {
			if err := s.entry(dir, entry, path.Join(name, entry.Name()), depth); err != nil || s.found != "" {
				return err
			}
		}
		if len(entries) == 0 {
			return nil
		}
	}
}

func (s *search) entry(dir *os.File, entry os.DirEntry, inside string, depth int) error {
	switch mode := entry.Type(); {
	case mode.IsDir():
		return s.below(dir, entry.Name(), inside, depth+1)
	case mode&os.ModeSymlink != 0:
		return s.link(dir, entry.Name(), inside)
	case mode.IsRegular():
		return s.file(dir, entry.Name(), inside)
	}
	return nil
}

func (s *search) below(dir *os.File, name, inside string, depth int) error {
	if depth > maxDepth || len(inside) > maxPath || slices.Contains(passedOverPaths, inside) || slices.Contains(passedOverNames, name) {
		return nil
	}
	below, err := untrusted.OpenDirectoryAt(int(dir.Fd()), name)
	if err != nil {
		return err
	}
	err = s.directory(below, inside, depth)
	return errors.Join(err, below.Close())
}

func (s *search) link(dir *os.File, name, inside string) error {
	n, err := unix.Readlinkat(int(dir.Fd()), name, s.text)
	if err != nil {
		return &os.PathError{Op: "readlink", Path: inside, Err: err}
	}
	target := string(s.text[:n])
	if !path.IsAbs(target) {
		target = path.Join(path.Dir(inside), target)
	}
	if bundle.IsOutputName(target) {
		return s.report(inside, "is a link to "+target)
	}
	return nil
}

// file looks at a file that is small and a text.
func (s *search) file(dir *os.File, name, inside string) error {
	var stat unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "stat", Path: inside, Err: err}
	}
	if stat.Size == 0 || stat.Size > bundle.MaxOutputFile {
		return nil
	}
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: inside, Err: err}
	}
	n, err := unix.Read(fd, s.text)
	unix.Close(fd)
	if err != nil {
		return &os.PathError{Op: "read", Path: inside, Err: err}
	}
	text := s.text[:n]
	if bytes.IndexByte(text[:min(n, 512)], 0) >= 0 {
		return nil // a program, an archive or a picture
	}
	if output := bundle.OutputNamed(text); output != "" {
		return s.report(inside, "names "+output)
	}
	return nil
}

// isHidden reports whether a file of a layer is replaced or removed by one of the layers above it.
func isHidden(above []string, file string) (bool, error) {
	for _, layer := range above {
		hidden, err := hides(layer, file)
		if hidden || err != nil {
			return hidden, err
		}
	}
	return false, nil
}

// opaque is the attribute of a directory that hides its content in the layers below (overlayfs.rst in Linux'
// documentation).
const opaque = "trusted.overlay.opaque"

// hides reports whether a layer has something in the place of a file, or of a directory on the way to it.
func hides(layer, file string) (bool, error) {
	place := layer
	parts := strings.Split(strings.TrimPrefix(file, "/"), "/")
	for i, part := range parts {
		place = filepath.Join(place, part)
		info, err := os.Lstat(place)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return false, nil
		case err != nil:
			return false, err
		case i == len(parts)-1 || !info.IsDir():
			return true, nil
		}
		value := make([]byte, 1)
		if n, err := unix.Lgetxattr(place, opaque, value); err == nil && n == 1 && value[0] == 'y' {
			return true, nil
		}
	}
	return false, nil
}

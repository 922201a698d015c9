package images

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"go.podman.io/storage/pkg/archive"
	"golang.org/x/sys/unix"
)

// The storage library does not say which file of a layer it cannot unpack if that is a hard link to a file that does not
// exist. The link may lead to a file of another layer: some tools build such images, which no overlay can have.

// badLink is the library's error about a layer, with the hard link because of which the layer cannot be unpacked.
type badLink struct {
	error
	name, target string
}

// Unwrap returns the library's error.
func (b badLink) Unwrap() error { return b.error }

// words are for people.
func (b badLink) words() string {
	return fmt.Sprintf("the hard link %s leads to %s, which is not in the layer", b.name, b.target)
}

// Bounds of the search for the link: bytes that are decompressed, and bytes of names that are kept.
const (
	maxSearched = 1 << 30
	maxNames    = 32 << 20
	perName     = 100 // bytes besides the name itself
)

// withLink names the hard link, if the library's error about a layer is due to one.
func withLink(err error, layer io.Reader) error {
	again, ok := layer.(io.ReadSeeker)
	if err == nil || !ok || !strings.Contains(err.Error(), unix.ENOENT.Error()) {
		return err
	}
	name, target, found := findBadLink(again)
	if found != nil || name == "" {
		return err
	}
	return badLink{err, name, target}
}

// findBadLink is the first hard link of a layer whose target does not come before it; empty for none.
func findBadLink(layer io.ReadSeeker) (name, target string, err error) {
	if _, err := layer.Seek(0, io.SeekStart); err != nil {
		return "", "", err
	}
	unpacked, err := archive.DecompressStream(layer)
	if err != nil {
		return "", "", err
	}
	defer unpacked.Close()
	known, room := map[string]bool{}, maxNames
	for entries := tar.NewReader(io.LimitReader(unpacked, maxSearched)); room > 0; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return "", "", nil
		}
		if err != nil {
			return "", "", err
		}
		if header.Typeflag == tar.TypeLink && !known[inLayer(header.Linkname)] {
			return header.Name, header.Linkname, nil
		}
		known[inLayer(header.Name)] = true
		room -= len(header.Name) + perName
	}
	return "", "", nil
}

// inLayer is a path in a layer in one form: "/usr/bin/vi".
func inLayer(name string) string { return path.Clean("/" + name) }

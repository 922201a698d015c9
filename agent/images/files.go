package images

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent/untrusted"
)

// maxImageFiles is far more files and directories than an image in a directory has.
const maxImageFiles = 10_000

// pathOf is the path that a reference of a file transport names, without the part that chooses an image there.
func pathOf(transport, rest string) string {
	if transport == "dir" {
		return rest
	}
	path, _, _ := strings.Cut(rest, ":")
	return path
}

// checkFiles opens each file of an image that lies on the node, so that the library, which opens them again, does not
// wait for a FIFO or for a lease: a container may have the directory too.
func (s source) checkFiles() error {
	if s.path == "" {
		return nil
	}
	path, err := filepath.EvalSymlinks(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("file not found on the node: %w", err)
	}
	if err != nil {
		return err
	}
	seen := 0
	return filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if seen++; seen > maxImageFiles {
			return fmt.Errorf("%s has more than %d files and directories", s.path, maxImageFiles)
		}
		if entry.IsDir() {
			return nil
		}
		return checkOpens(path)
	})
}

// checkOpens opens a file for reading, without waiting for long.
func checkOpens(path string) error {
	handle, err := untrusted.Handle(path)
	if err != nil {
		return err
	}
	defer handle.Close()
	file, err := untrusted.Patiently(func() (*os.File, error) { return untrusted.Reopen(handle, unix.O_RDONLY) })
	if err != nil {
		return err
	}
	return file.Close()
}

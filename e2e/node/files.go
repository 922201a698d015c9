package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Put leaves a file of this content and mode at a path of the node, in one rename, so that
// no process there sees half of it. Missing directories are made.
func (n *Node) Put(path string, content io.Reader, mode fs.FileMode) error {
	err := n.current().inside(func() error { return put(path, content, mode) })
	if err != nil {
		return fmt.Errorf("put %s into node: %w", path, err)
	}
	return nil
}

func put(path string, content io.Reader, mode fs.FileMode) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".put-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, copyErr := io.Copy(file, content)
	if err := errors.Join(copyErr, file.Chmod(mode), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

package transfer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/davit-project/davit/agent/untrusted"
)

// Options are how to copy.
type Options struct {
	// Owners keeps the owners of copied files. Without it, files belong to the user of the
	// container's main process, or on the node to the user who copies.
	Owners bool
	// Skipped is called with each path that is left out, and the reason.
	Skipped func(name, why string)
}

// Copy copies a file or a directory as cp -R does: into an existing directory, or to a new
// name. If source is a link, its target is copied; links below it are kept. A source that ends
// in "/." means the content of the directory.
func Copy(from *Place, source string, to *Place, destination string, options Options) error {
	handle, info, err := from.openSource(source)
	if err != nil {
		return err
	}
	defer handle.Close()
	return to.asOwner(func() error {
		target, err := to.target(destination, source, info)
		if err != nil {
			return err
		}
		defer target.close()
		u := &unpacker{to: to, root: target.root, existing: target.existing, owners: options.Owners, skipped: options.Skipped}
		return stream(u, func(w io.Writer) error { return pack(w, from, handle, target.name, options.Skipped) })
	})
}

// Pack writes a file or a directory as a tar stream.
func Pack(from *Place, source string, w io.Writer, options Options) error {
	handle, _, err := from.openSource(source)
	if err != nil {
		return err
	}
	defer handle.Close()
	return pack(w, from, handle, sourceName(source), options.Skipped)
}

// Unpack puts a tar stream into a directory.
func Unpack(r io.Reader, to *Place, destination string, options Options) error {
	return to.asOwner(func() error {
		root, err := to.openRoot(destination)
		if err != nil {
			return err
		}
		defer root.Close()
		u := &unpacker{to: to, root: root, owners: options.Owners, skipped: options.Skipped}
		return u.unpack(r)
	})
}

// openSource opens a file or a directory.
func (p *Place) openSource(path string) (*os.File, fs.FileInfo, error) {
	handle, err := p.open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := handle.Stat()
	if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is %w", path, untrusted.ErrNoFile)
	}
	if err != nil {
		return nil, nil, errors.Join(err, handle.Close())
	}
	return handle, info, nil
}

// stream packs and unpacks at once.
func stream(u *unpacker, pack func(io.Writer) error) error {
	r, w := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		err := pack(w)
		w.CloseWithError(err)
		packed <- err
	}()
	err := u.unpack(r)
	r.CloseWithError(errUnpack)
	// Where packing failed, unpacking failed of it.
	if packErr := <-packed; packErr != nil && !errors.Is(packErr, errUnpack) {
		return packErr
	}
	return err
}

// errUnpack is the error of packing when unpacking has failed.
var errUnpack = errors.New("the other side has failed")

// target is the place of a copy: the entry name of a directory, the directory itself where name is
// ".", or an existing file.
type target struct {
	root     *os.Root
	name     string
	existing *os.File
}

func (t target) close() {
	if t.root != nil {
		t.root.Close()
	}
	if t.existing != nil {
		t.existing.Close()
	}
}

// target is the place that a destination means for a source.
func (p *Place) target(destination, source string, from fs.FileInfo) (target, error) {
	handle, err := p.open(destination)
	if errors.Is(err, fs.ErrNotExist) {
		return p.newTarget(destination, from)
	}
	if err != nil {
		return target{}, err
	}
	info, err := handle.Stat()
	switch {
	case err != nil:
	case !info.IsDir() && (from.IsDir() || strings.HasSuffix(destination, "/")):
		err = fmt.Errorf("%s is not a directory", destination)
	case !info.IsDir() && !info.Mode().IsRegular():
		err = fmt.Errorf("%s is %w", destination, untrusted.ErrNoFile)
	case !info.IsDir():
		return target{existing: handle, name: "file"}, nil
	}
	defer handle.Close()
	if err != nil {
		return target{}, err
	}
	root, err := untrusted.ReopenRoot(handle)
	name := sourceName(source)
	if from.IsDir() && strings.HasSuffix(source, "/.") {
		name = "."
	}
	return target{root: root, name: name}, err
}

// newTarget is a new name in an existing directory.
func (p *Place) newTarget(destination string, from fs.FileInfo) (target, error) {
	if strings.HasSuffix(destination, "/") && !from.IsDir() {
		return target{}, fmt.Errorf("there is no directory %s", destination)
	}
	parent, name := filepath.Split(filepath.Clean(destination))
	if name == ".." {
		return target{}, fmt.Errorf("there is no directory %s", destination)
	}
	if parent == "" {
		parent = "."
	}
	root, err := p.openRoot(parent)
	return target{root: root, name: name}, err
}

// sourceName is the name of a source in the copy; that of a root is ".".
func sourceName(source string) string {
	if name := filepath.Base(filepath.Clean(source)); name != "/" && name != ".." {
		return name
	}
	return "."
}

package images

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"
	"go.podman.io/storage/pkg/lockfile"

	"github.com/davit-project/davit/agent/disk"
)

// guard is the node's storage, with two things that the library does not do when layers are damaged.
type guard struct {
	storage.Store
	mender *mender
	// readable has the [fs.FileInfo] of the lists that were read, by path.
	readable *sync.Map
}

// PutLayer creates a layer. The library deletes a directory that has the id of the new layer, and running
// containers may have it mounted: it is moved aside instead, once the new layer is unpacked.
func (g *guard) PutLayer(id, parent string, names []string, mountLabel string, writeable bool, options *storage.LayerOptions, diff io.Reader) (*storage.Layer, int64, error) {
	if id != "" && diff != nil {
		diff = &atEnd{from: diff, do: func() error { return g.makeRoom(id) }}
	}
	return g.Store.PutLayer(id, parent, names, mountLabel, writeable, options, diff)
}

// makeRoom moves aside obstacles to a new layer: a directory that no layer of the storage has, and
// anything but a regular file at the path of the list of its files.
func (g *guard) makeRoom(id string) error {
	if info, err := os.Lstat(g.mender.fileList(id)); err == nil && !info.Mode().IsRegular() {
		if err := g.mender.setAside(g.mender.fileList(id)); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(filepath.Join(g.mender.root, id)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lock, err := lockfile.GetLockFile(filepath.Join(g.mender.graphRoot, layerKind.lockFile()))
	if err != nil {
		return err
	}
	lock.Lock()
	defer lock.Unlock()
	known, err := g.mender.known(layerKind)
	if err != nil || known[id] {
		return err
	}
	if err := g.mender.setLayerAside(id); err != nil {
		return fmt.Errorf("move the damaged layer %s aside: %w", id, err)
	}
	return nil
}

// atEnd does something once all is read.
type atEnd struct {
	from io.Reader
	do   func() error
	done bool
}

// Read implements [io.Reader].
func (a *atEnd) Read(p []byte) (int, error) {
	n, err := a.from.Read(p)
	if err == io.EOF && !a.done {
		a.done = true
		if failure := a.do(); failure != nil {
			return n, failure
		}
	}
	return n, err
}

// LayersByUncompressedDigest returns the layers whose content can be used for another layer.
func (g *guard) LayersByUncompressedDigest(d digest.Digest) ([]storage.Layer, error) {
	return g.usable(g.Store.LayersByUncompressedDigest(d))
}

// LayersByCompressedDigest returns the layers whose content can be used for another layer.
func (g *guard) LayersByCompressedDigest(d digest.Digest) ([]storage.Layer, error) {
	return g.usable(g.Store.LayersByCompressedDigest(d))
}

// usable leaves out layers that are gone, or cannot be put together again because the list of their files
// is damaged: a pull that takes such a layer fails each time.
func (g *guard) usable(layers []storage.Layer, err error) ([]storage.Layer, error) {
	var found []storage.Layer
	for _, layer := range layers {
		if layer.ReadOnly || g.isReadable(layer.ID) {
			found = append(found, layer)
		}
	}
	if err == nil && len(found) == 0 {
		err = storage.ErrLayerUnknown
	}
	return found, err
}

func (g *guard) isReadable(id string) bool {
	if !isDir(filepath.Join(g.mender.root, id, "diff")) {
		return false
	}
	path := g.mender.fileList(id)
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	if before, ok := g.readable.Load(path); ok && disk.Unchanged(before.(fs.FileInfo), info) {
		return true
	}
	if !isWholeGzip(path) {
		return false
	}
	g.readable.Store(path, info)
	return true
}

// fileList is the path of the list of a layer's files, with which its archive is put together again.
func (m *mender) fileList(id string) string {
	return filepath.Join(m.graphRoot, driver+"-layers", id+".tar-split.gz")
}

func isWholeGzip(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, plain)
	return err == nil
}

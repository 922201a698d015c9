package images

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.podman.io/storage"

	"github.com/davit-project/davit/agent/disk"
)

// chain returns the image's layers, the topmost first. Where the storage does not know one, the error is
// storage.ErrLayerUnknown, and the layers are those above it.
func chain(store storage.Store, image *storage.Image) ([]*storage.Layer, error) {
	var layers []*storage.Layer
	for id := image.TopLayer; id != ""; {
		layer, err := store.Layer(id)
		if err != nil {
			return layers, fmt.Errorf("layer %s: %w", id, err)
		}
		layers = append(layers, layer)
		id = layer.Parent
	}
	if len(layers) == 0 {
		return nil, errors.New("the image has no layers: there is nothing to run")
	}
	return layers, nil
}

// Layers are the layers of an image, by id, and how much each takes in bytes. An image that the storage does
// not know has none, and of one with an unknown layer only those above it count.
func (s *Store) Layers(imageID string) (map[string]int64, error) {
	store, err := s.storage()
	if err != nil {
		return nil, err
	}
	image, err := store.Image(imageID)
	if errors.Is(err, storage.ErrImageUnknown) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", imageID, err)
	}
	layers, err := chain(store, image)
	if err != nil && !errors.Is(err, storage.ErrLayerUnknown) {
		return nil, fmt.Errorf("image %s: %w", imageID, err)
	}
	sizes := map[string]int64{}
	for _, layer := range layers {
		sizes[layer.ID] = max(layer.UncompressedSize, 0) // -1 if it is not known
	}
	return sizes, nil
}

// otherOptions is how many bytes of the launcher's mount options, which have one page, are
// not lower directories, at most. The rest is enough for the 127 layers of Docker.
const otherOptions = 320

// lowerDirs returns layers as overlayfs' lower directories, by the short links that the
// overlay driver keeps for the same reason.
func lowerDirs(store storage.Store, layers []*storage.Layer) ([]string, error) {
	lower := make([]string, 0, len(layers))
	for _, layer := range layers {
		dir, err := lowerDir(store, layer.ID)
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", layer.ID, err)
		}
		lower = append(lower, dir)
	}
	return lower, checkLength(lower)
}

// checkLength refuses an image that the launcher could not mount, before anything that
// runs is stopped for it.
func checkLength(lower []string) error {
	if otherOptions+len(strings.Join(lower, ":")) > os.Getpagesize() {
		return fmt.Errorf("the image has %d layers, more than fit into one overlay mount: build it with fewer", len(lower))
	}
	return nil
}

// lowerDir is the layer's link relative to the storage's own overlay directory, or the
// whole path for a layer of another store: imagestore and additionalimagestores of
// storage.conf(5).
func lowerDir(store storage.Store, layerID string) (string, error) {
	for i, root := range roots(store) {
		text, err := os.ReadFile(filepath.Join(root, layerID, "link"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		link := filepath.Join("l", strings.TrimSpace(string(text)))
		if !isDir(filepath.Join(root, link)) {
			return "", fmt.Errorf("%s: %w", filepath.Join(root, link), fs.ErrNotExist)
		}
		if isDir(filepath.Join(root, layerID, "composefs-data")) {
			return "", errors.New("it is stored for composefs: set use_composefs to false in storage.conf and remove the image")
		}
		if i == 0 {
			return link, nil
		}
		if strings.ContainsAny(root, ":,\\") {
			return "", fmt.Errorf("overlayfs cannot mount from %q: its path has a colon, comma or backslash", root)
		}
		return filepath.Join(root, link), nil
	}
	return "", fmt.Errorf("its directory is gone: %w", fs.ErrNotExist)
}

// roots are the overlay directories of all stores, the node's own first.
func roots(store storage.Store) []string {
	found := []string{overlayRoot(store)}
	if own := store.ImageStore(); own != "" {
		found = append(found, filepath.Join(own, driver))
	}
	graph, err := store.GraphDriver()
	if err != nil {
		return found // a layer that only the directory has is then reported as missing
	}
	for _, other := range graph.AdditionalImageStores() {
		found = append(found, filepath.Join(other, driver))
	}
	return found
}

// stampLayers returns how the directories of layers look now, see [disk.Stamp].
func stampLayers(base string, lower []string) ([]string, error) {
	stamps := make([]string, 0, len(lower))
	for _, dir := range lower {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(base, dir)
		}
		stamp, err := disk.Stamp(dir)
		if err != nil {
			return nil, err
		}
		stamps = append(stamps, stamp)
	}
	return stamps, nil
}

package images

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.podman.io/storage"

	"github.com/davit-project/davit/units/bundle"
)

// pinName is the name of the storage container that keeps an image from being pruned:
// podman image prune and podman rmi leave images alone that a container uses.
func pinName(imageID string) string { return "davit-" + imageID[:12] }

// pinImage makes the image's pin and returns a directory that exists while the pin does.
func pinImage(store storage.Store, imageID string) (string, error) {
	name := pinName(imageID)
	pin, err := store.Container(name)
	if errors.Is(err, storage.ErrContainerUnknown) {
		pin, err = store.CreateContainer("", []string{name}, imageID, "", "", nil)
	}
	if err != nil {
		return "", err
	}
	return filepath.Join(overlayRoot(store), pin.LayerID), nil
}

func unpinImage(store storage.Store, imageID string) error {
	err := store.DeleteContainer(pinName(imageID))
	if errors.Is(err, storage.ErrContainerUnknown) {
		return nil
	}
	return err
}

// lowerDirs returns the image's layers as overlayfs' lower directories, the topmost
// first, by the short links that the overlay driver keeps for the same reason.
func lowerDirs(store storage.Store, imageID string) ([]string, error) {
	image, err := store.Image(imageID)
	if err != nil {
		return nil, err
	}
	var lower []string
	for id := image.TopLayer; id != ""; {
		layer, err := store.Layer(id)
		if err != nil {
			return nil, err
		}
		link, err := os.ReadFile(filepath.Join(overlayRoot(store), id, "link"))
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w: layers of additional image stores cannot be used yet", id, err)
		}
		lower = append(lower, "l/"+strings.TrimSpace(string(link)))
		id = layer.Parent
	}
	return lower, nil
}

func mergeNames(names []bundle.RootfsName, name bundle.RootfsName) []bundle.RootfsName {
	others := slices.DeleteFunc(slices.Clone(names), func(n bundle.RootfsName) bool { return sameName(n, name) })
	return append(others, name)
}

func sameName(a, b bundle.RootfsName) bool {
	return a.Reference == b.Reference && a.Platform == b.Platform
}

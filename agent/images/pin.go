package images

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"
)

// pinName is the name of the storage container that keeps an image from being pruned:
// podman image prune and podman rmi leave images alone that a container uses, whoever
// made the container. It shows in podman ps --all --external.
func pinName(imageID string) string { return "davit-" + imageID[:min(12, len(imageID))] }

// pinLayer is the id of a pin's layer. It is always the same, so that one whose container was lost is found.
func pinLayer(imageID string) string { return digest.FromString("davit pin " + imageID).Encoded() }

// pinImage leaves the image pinned and returns a directory that exists while the pin does.
func pinImage(store storage.Store, imageID string) (string, error) {
	name := pinName(imageID)
	pin, err := store.Container(name)
	if err == nil && pin.ImageID == imageID && isDir(pinDir(store, pin)) {
		return pinDir(store, pin), nil
	}
	if err == nil {
		err = store.DeleteContainer(pin.ID) // its layer was removed behind the storage's back
	}
	if err != nil && !errors.Is(err, storage.ErrContainerUnknown) {
		return "", fmt.Errorf("pin image %s: %w", imageID, err)
	}
	layer := pinLayer(imageID)
	if err := store.DeleteLayer(layer); err != nil && !errors.Is(err, storage.ErrLayerUnknown) && !errors.Is(err, storage.ErrNotALayer) {
		return "", fmt.Errorf("pin image %s: %w", imageID, err)
	}
	if store.Exists(layer) {
		layer = "" // another store, which is only read, has been davit's on another node
	}
	pin, err = store.CreateContainer("", []string{name}, imageID, layer, "", nil)
	if err != nil {
		return "", fmt.Errorf("pin image %s: %w", imageID, err)
	}
	return pinDir(store, pin), nil
}

func pinDir(store storage.Store, pin *storage.Container) string {
	return filepath.Join(overlayRoot(store), pin.LayerID)
}

func unpinImage(store storage.Store, imageID string) error {
	pin, err := store.Container(pinName(imageID))
	if err == nil {
		err = store.DeleteContainer(pin.ID)
	}
	if err != nil && !errors.Is(err, storage.ErrContainerUnknown) {
		return fmt.Errorf("unpin image %s: %w", imageID, err)
	}
	return nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"

	"github.com/davit-project/davit/units/bundle"
)

// Layers that are in the storage before davit pulls may be from a tool that does not sync, from before a power loss:
// files of length zero, without an error. They are read back once, before the first record names them.

// errDamaged is the error of a layer whose content does not have its digest, and errDamagedImage of an image whose
// manifest, configuration or signatures do not.
var (
	errDamaged      = errors.New("the layer is damaged")
	errDamagedImage = errors.New("the image's data is damaged")
)

// verify reports whether layers of an image are damaged, and has the storage forget these, so that they are
// pulled again. One image at a time: a layer that another image shares is not found damaged twice.
func (s *Store) verify(ctx context.Context, store storage.Store, image *storage.Image, reference string, fresh map[string]bool) (bad bool, err error) {
	s.verifying.Lock()
	defer s.verifying.Unlock()
	layers, err := s.damaged(ctx, store, image, fresh)
	if err != nil {
		return false, err
	}
	for layer, failures := range layers {
		slog.Warn("a layer of an image is damaged and is pulled again", "image", reference, "layer", layer, "error", errors.Join(failures...))
	}
	return len(layers) > 0, store.(*guard).mender.repair(layers)
}

// damaged returns the faults of the image's layers, by layer. Layers in fresh were
// just pulled, and those of a record were verified before it was written.
func (s *Store) damaged(ctx context.Context, store storage.Store, image *storage.Image, fresh map[string]bool) (map[string][]error, error) {
	layers, err := chain(store, image)
	unknown := errors.Is(err, storage.ErrLayerUnknown)
	if err != nil && !unknown {
		return nil, err
	}
	recorded, err := s.records.lower()
	if err != nil {
		return nil, err
	}
	bad := map[string][]error{}
	if unknown {
		id := image.TopLayer
		if len(layers) > 0 {
			id = layers[len(layers)-1].Parent
		}
		bad[id] = []error{err}
	}
	for _, layer := range layers {
		dir, err := lowerDir(store, layer.ID)
		if err == nil && !fresh[layer.ID] && !(recorded[dir] && isListed(store, layer)) {
			err = readBack(ctx, store, layer)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, errDamaged):
			bad[layer.ID] = []error{err}
		case err != nil:
			return nil, fmt.Errorf("layer %s: %w", layer.ID, err)
		}
	}
	return bad, nil
}

// isListed reports whether the list of a layer's files can be read: without it, other tools cannot push it.
func isListed(store storage.Store, layer *storage.Layer) bool {
	g, ok := store.(*guard)
	return !ok || layer.ReadOnly || layer.UncompressedDigest == "" || g.isReadable(layer.ID)
}

// readBack puts the layer's archive together again and compares its digest.
func readBack(ctx context.Context, store storage.Store, layer *storage.Layer) error {
	want := layer.UncompressedDigest
	if want == "" {
		return nil // made on the node: there is nothing to compare it with
	}
	plain := archive.Uncompressed
	diff, err := store.Diff("", layer.ID, &storage.DiffOptions{Compression: &plain})
	if err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	verifier := want.Verifier()
	_, err = io.Copy(verifier, interruptible{ctx, diff})
	err = errors.Join(err, diff.Close())
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	if !verifier.Verified() {
		return fmt.Errorf("%w: it does not match %s", errDamaged, want)
	}
	return nil
}

// interruptible stops a long read when its context ends.
type interruptible struct {
	ctx  context.Context
	from io.Reader
}

// Read implements [io.Reader].
func (i interruptible) Read(p []byte) (int, error) {
	if err := context.Cause(i.ctx); err != nil {
		return 0, err
	}
	return i.from.Read(p)
}

// repair has the storage forget damaged layers, so that they are pulled again. Their directories stay until
// then, for containers that run and for a registry that does not answer; images and containers stay too,
// because a layer that is pulled again has the same id.
func (m *mender) repair(bad map[string][]error) error {
	if err := m.forget(layerKind, slices.Collect(maps.Keys(bad))); err != nil {
		return fmt.Errorf("forget damaged layers: %w", err)
	}
	return nil
}

// checkData compares an image's manifests, configuration and signatures with their digests.
func checkData(store storage.Store, image *storage.Image) error {
	if len(image.BigDataNames) == 0 {
		return fmt.Errorf("%w: it has no manifest", errDamagedImage)
	}
	for _, name := range image.BigDataNames {
		text, err := store.ImageBigData(image.ID, name)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", errDamagedImage, name, err)
		}
		want := image.BigDataDigests[name]
		if digest.FromBytes(text) == want {
			continue
		}
		// The digest of an old manifest leaves its signatures out.
		if of, err := manifest.Digest(text); err != nil || of != want {
			return fmt.Errorf("%w: %s does not match %s", errDamagedImage, name, want)
		}
	}
	return nil
}

// makeRoomForData moves aside anything but files among an image's data, so that a pull can write it.
func (m *mender) makeRoomForData(imageID string) error {
	dir := filepath.Join(m.graphRoot, driver+"-images", imageID)
	if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
		return m.setAside(dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			if err := m.setAside(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// lower are the directories of all layers that sound records name.
func (r *records) lower() (map[string]bool, error) {
	all, err := r.readable()
	if err != nil {
		return nil, err
	}
	dirs := map[string]bool{}
	for _, record := range all {
		if isWhole(record) {
			addAll(dirs, record)
		}
	}
	return dirs, nil
}

func addAll(dirs map[string]bool, record *bundle.Rootfs) {
	for _, dir := range record.Lower {
		dirs[dir] = true
	}
}

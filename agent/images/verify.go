package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"

	"github.com/davit-project/davit/units/bundle"
)

// Layers that are in the storage before davit pulls may be from a tool that does not sync,
// from before a power loss: files of length zero, and nothing says so. They are read back
// once, before the first record names them.

// errDamaged is what a layer is that does not hold what its digest says.
var errDamaged = errors.New("the layer is damaged")

// damaged returns what is wrong with the image's layers, by layer. Layers in fresh were
// just pulled, and those of a record were verified before it was written.
func (s *Store) damaged(ctx context.Context, store storage.Store, image *storage.Image, fresh map[string]bool) (map[string][]error, error) {
	layers, err := chain(store, image)
	if errors.Is(err, storage.ErrLayerUnknown) {
		return map[string][]error{image.TopLayer: {err}}, nil
	}
	if err != nil {
		return nil, err
	}
	recorded, err := s.records.lower()
	if err != nil {
		return nil, err
	}
	bad := map[string][]error{}
	for _, layer := range layers {
		dir, err := lowerDir(store, layer.ID)
		if err == nil && !fresh[layer.ID] && !recorded[dir] {
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

// repair removes damaged layers with the images made of them, and nothing else, so that
// they can be pulled again. Images that another tool's container uses stay, and are the
// error.
func repair(store storage.Store, bad map[string][]error) error {
	images, err := store.Images()
	if err != nil {
		return err
	}
	report := storage.CheckReport{Layers: bad, Images: map[string][]error{}}
	for _, image := range images {
		layers, err := chain(store, &image)
		if err != nil {
			if bad[image.TopLayer] != nil {
				report.Images[image.ID] = []error{err}
			}
			continue
		}
		for _, layer := range layers {
			if errs := bad[layer.ID]; errs != nil {
				report.Images[image.ID] = append(report.Images[image.ID], errs...)
			}
		}
	}
	return repairReported(store, report)
}

func repairReported(store storage.Store, report storage.CheckReport) error {
	for id := range report.Images {
		if err := unpinImage(store, id); err != nil {
			return err
		}
	}
	if err := errors.Join(store.Repair(report, &storage.RepairOptions{})...); err != nil {
		return fmt.Errorf("remove damaged layers: %w: remove the containers and images of other tools that use them", err)
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

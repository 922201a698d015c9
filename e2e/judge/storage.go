package main

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/vbatts/tar-split/tar/asm"
	tarsplit "github.com/vbatts/tar-split/tar/storage"
)

// storageDir is the default directory of the storage (containers-storage.conf(5)).
const storageDir = "/var/lib/containers/storage"

// storedLayer is the storage's record of a layer that it has.
type storedLayer struct {
	ID         string         `json:"id"`
	DiffDigest digest.Digest  `json:"diff-digest"`
	Flags      map[string]any `json:"flags"`
}

// storedImage is its record of an image.
type storedImage struct {
	ID             string                   `json:"id"`
	Layer          string                   `json:"layer"`
	BigDataDigests map[string]digest.Digest `json:"big-data-digests"`
}

// storage checks that all content that the storage lists as present exists, byte for byte, and that davit's records of
// images name nothing else. It only reads the storage, without the library: that would first remove its incomplete
// work.
func storage(n *node) error {
	layers, err := layers(n)
	if err != nil {
		return err
	}
	var list []storedImage
	if err := decodeFile(storageDir+"/overlay-images/images.json", &list); err != nil {
		return err
	}
	for _, image := range list {
		if !layers[image.Layer] {
			n.Broken = append(n.Broken, fmt.Sprintf("image %s: its layer %s is not there", image.ID, image.Layer))
		}
		if err := checkBigData(image); err != nil {
			n.Broken = append(n.Broken, fmt.Sprintf("image %s: %v", image.ID, err))
		}
	}
	return records(n)
}

// layers checks each layer, and returns those that the storage has whole.
func layers(n *node) (map[string]bool, error) {
	var list []storedLayer
	if err := decodeFile(storageDir+"/overlay-layers/layers.json", &list); err != nil {
		return nil, err
	}
	listed, whole := map[string]bool{"l": true, "staging": true, "tempdirs": true}, map[string]bool{}
	for _, layer := range list {
		listed[layer.ID] = true
		// One that was begun has this mark, and is removed when the storage is next used.
		if layer.Flags["incomplete"] != nil {
			n.Leftovers = append(n.Leftovers, "half a layer "+layer.ID)
			continue
		}
		whole[layer.ID] = true
		if err := checkLayer(layer); err != nil {
			n.Broken = append(n.Broken, fmt.Sprintf("layer %s: %v", layer.ID, err))
		}
	}
	entries, err := os.ReadDir(storageDir + "/overlay")
	for _, entry := range entries {
		if entry.IsDir() && !listed[entry.Name()] {
			n.Leftovers = append(n.Leftovers, filepath.Join(storageDir, "overlay", entry.Name()))
		}
	}
	return whole, ignoreMissing(err)
}

// checkLayer puts the layer's archive together again out of its files and the list of its headers, and
// compares its digest. A container's own layer has none.
func checkLayer(layer storedLayer) error {
	files := filepath.Join(storageDir, "overlay", layer.ID, "diff")
	if layer.DiffDigest == "" {
		_, err := os.Stat(files)
		return err
	}
	packed, err := os.Open(filepath.Join(storageDir, "overlay-layers", layer.ID+".tar-split.gz"))
	if err != nil {
		return err
	}
	defer packed.Close()
	headers, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	archive := asm.NewOutputTarStream(tarsplit.NewPathFileGetter(files), tarsplit.NewJSONUnpacker(headers))
	verifier := layer.DiffDigest.Verifier()
	_, err = io.Copy(verifier, archive)
	if err := errors.Join(err, archive.Close()); err != nil {
		return err
	}
	if !verifier.Verified() {
		return fmt.Errorf("it is not %s", layer.DiffDigest)
	}
	return nil
}

// checkBigData compares an image's manifest and configuration with their digests.
func checkBigData(image storedImage) error {
	files, err := filepath.Glob(filepath.Join(storageDir, "overlay-images", image.ID, "*"))
	if err != nil {
		return err
	}
	there := map[digest.Digest]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		there[digest.FromBytes(text)] = true
	}
	for _, name := range slices.Sorted(maps.Keys(image.BigDataDigests)) {
		if !there[image.BigDataDigests[name]] {
			return fmt.Errorf("its %s is not %s", name, image.BigDataDigests[name])
		}
	}
	return nil
}

// records checks that every image that davit counts as whole has its layers.
func records(n *node) error {
	files, err := filepath.Glob(stateDir + "/images/*.json")
	if err != nil {
		return err
	}
	for _, file := range files {
		var record struct {
			Base  string
			Lower []string
		}
		if err := decodeFile(file, &record); err != nil {
			n.Broken = append(n.Broken, err.Error())
			continue
		}
		for _, layer := range record.Lower {
			if _, err := os.Stat(filepath.Join(record.Base, layer)); err != nil {
				n.Broken = append(n.Broken, fmt.Sprintf("%s: %v", file, err))
			}
		}
	}
	return nil
}

// decodeFile reads JSON; a file that is not there holds nothing.
func decodeFile(path string, into any) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

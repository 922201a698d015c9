package images

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/davit-project/davit/agent/disk"
	"github.com/davit-project/davit/units/bundle"
)

// List returns the images that are whole and pinned: for each image id the keys
// (reference@digest) under which it was pulled. It reads davit's records and checks that
// the layers they name are still there, so another tool's removal is noticed without
// opening the storage.
func List() (map[string][]string, error) {
	records, err := readRecords()
	if err != nil {
		return nil, err
	}
	images := map[string][]string{}
	for _, record := range records {
		keys := []string{}
		for _, name := range record.Names {
			keys = append(keys, name.Reference+"@"+name.Digest)
		}
		images[record.ImageID] = keys
	}
	return images, nil
}

// readRecords returns the sound records; one that is damaged, or whose layers or pin are
// gone, counts as not there, and the image is pulled again.
func readRecords() ([]*bundle.Rootfs, error) {
	entries, err := os.ReadDir(bundle.RootfsDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read image records: %w", err)
	}
	var records []*bundle.Rootfs
	for _, entry := range entries {
		id, ok := strings.CutSuffix(entry.Name(), ".json")
		if !ok {
			continue
		}
		if record, err := readRecord(id); err == nil && whole(record) {
			records = append(records, record)
		}
	}
	return records, nil
}

func readRecord(imageID string) (*bundle.Rootfs, error) {
	text, err := os.ReadFile(bundle.RootfsPath(imageID))
	if err != nil {
		return nil, err
	}
	return bundle.DecodeRootfs(imageID, text)
}

func whole(record *bundle.Rootfs) bool {
	for _, dir := range record.Lower {
		if _, err := os.Stat(filepath.Join(record.Base, dir)); err != nil {
			return false
		}
	}
	_, err := os.Stat(record.Pin)
	return err == nil
}

func writeRecord(record *bundle.Rootfs) error {
	text, err := record.Encode()
	if err != nil {
		return err
	}
	return disk.WriteFile(bundle.RootfsPath(record.ImageID), text, 0o600)
}

func removeRecord(imageID string) error {
	if err := os.Remove(bundle.RootfsPath(imageID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove image record: %w", err)
	}
	return nil
}

// forgetName takes a name from all records but one: a reference means one image.
func forgetName(name bundle.RootfsName, except string) error {
	records, err := readRecords()
	if err != nil {
		return err
	}
	for _, record := range records {
		kept := slices.DeleteFunc(slices.Clone(record.Names), func(n bundle.RootfsName) bool { return sameName(n, name) })
		if record.ImageID == except || len(kept) == len(record.Names) {
			continue
		}
		record.Names = kept
		if err := writeRecord(record); err != nil {
			return err
		}
	}
	return nil
}

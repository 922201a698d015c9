package images

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"go.podman.io/storage"
	"go.podman.io/storage/pkg/lockfile"

	"github.com/davit-project/davit/agent/disk"
)

// The storage library keeps its records in a few JSON files, its indexes. It refuses to open a storage
// with one that does not parse, and takes one that is empty or missing for a storage without layers: it
// then deletes the directory of a layer before it creates a layer with the same id, although running
// containers have it mounted. So davit keeps a copy of each index, and restores from it the entries that
// an index has lost while their data is still on the disk. Entries whose data is gone were removed.
//
// A restored entry proves nothing about its layer: the layer is read back before its first use like
// every layer that no record names (see verify.go).

// kind is the kind of an index's entries.
type kind struct {
	name string
	// file is the path of the index, and volatile that of a second one, below the storage's root.
	file, volatile string
	decode         func(json.RawMessage) (entry, error)
}

var (
	layerKind = kind{"layers", driver + "-layers/layers.json", driver + "-layers/volatile-layers.json", func(raw json.RawMessage) (entry, error) {
		layer, err := decodeEntry[storage.Layer](raw)
		incomplete, _ := layer.Flags["incomplete"].(bool)
		return entry{
			raw: raw, id: layer.ID, names: layer.Names, layer: layer.Parent, incomplete: incomplete, pulled: layer.UncompressedDigest != "",
		}, err
	}}
	imageKind = kind{"images", driver + "-images/images.json", "", func(raw json.RawMessage) (entry, error) {
		image, err := decodeEntry[storage.Image](raw)
		for _, digest := range image.BigDataDigests {
			err = errors.Join(err, digest.Validate())
		}
		return entry{raw: raw, id: image.ID, names: image.Names, layer: image.TopLayer}, err
	}}
	containerKind = kind{"containers", driver + "-containers/containers.json", driver + "-containers/volatile-containers.json", func(raw json.RawMessage) (entry, error) {
		container, err := decodeEntry[storage.Container](raw)
		return entry{raw: raw, id: container.ID, names: container.Names, layer: container.LayerID}, err
	}}
	// kinds are in the order in which the library takes their locks.
	kinds = []kind{layerKind, imageKind, containerKind}
)

func (k kind) files() []string {
	return slices.DeleteFunc([]string{k.file, k.volatile}, func(file string) bool { return file == "" })
}

func (k kind) lockFile() string { return filepath.Join(filepath.Dir(k.file), k.name+".lock") }

// entry is one layer, image or container of an index.
type entry struct {
	raw   json.RawMessage
	id    string
	names []string
	// layer is the one below a layer, the topmost one of an image, the writable one of a container.
	layer string
	// incomplete is set for a layer that is being made, pulled for one that can be pulled again.
	incomplete, pulled bool
}

// decodeEntry decodes as the library does.
func decodeEntry[T any](raw json.RawMessage) (value T, err error) {
	if bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		return value, errors.New("null is no entry")
	}
	err = json.Unmarshal(raw, &value)
	return value, err
}

// decodeIndex returns the entries of an index that are sound, and reports whether all are.
func (k kind) decodeIndex(text []byte) (entries []entry, sound bool) {
	var list []json.RawMessage
	if json.Unmarshal(text, &list) != nil {
		return nil, false
	}
	sound = list != nil
	for _, raw := range list {
		e, err := k.decode(raw)
		if err != nil || e.id == "" || e.id != filepath.Base(e.id) {
			sound = false
			continue
		}
		entries = append(entries, e)
	}
	return entries, sound
}

func encodeIndex(entries []entry) ([]byte, error) {
	list := make([]json.RawMessage, 0, len(entries))
	for _, e := range entries {
		list = append(list, e.raw)
	}
	return json.Marshal(list)
}

// index is one file with its copy.
type index struct {
	kind       kind
	path, copy string
	// text is the file's content, and kept that of the copy.
	text, kept []byte
	entries    []entry
	// missing is set where there is no such file, damaged where it does not parse, useless where it has
	// layers without data.
	missing, damaged, useless bool
}

// openIndexes reads the files of a kind. The caller holds the kind's lock.
func (m *mender) openIndexes(k kind) ([]*index, error) {
	var indexes []*index
	for _, file := range k.files() {
		i := &index{kind: k, path: filepath.Join(m.graphRoot, file), copy: filepath.Join(m.copies, filepath.Base(file))}
		var err error
		i.text, err = os.ReadFile(i.path)
		i.missing = errors.Is(err, fs.ErrNotExist)
		if err != nil && !i.missing {
			return nil, err
		}
		if !i.missing {
			var sound bool
			i.entries, sound = k.decodeIndex(i.text)
			i.damaged = !sound
		}
		i.kept, _ = os.ReadFile(i.copy) // without a copy nothing is restored
		indexes = append(indexes, i)
	}
	return indexes, nil
}

// restoreIndexes puts the indexes of all kinds right. The caller holds their locks.
func (m *mender) restoreIndexes(locks map[string]*lockfile.LockFile) error {
	layers := map[string]string{} // the layer below each layer
	for _, k := range kinds {
		indexes, err := m.openIndexes(k)
		if err != nil {
			return err
		}
		ids, names := map[string]bool{}, map[string]bool{}
		for _, i := range indexes {
			for _, e := range i.entries {
				ids[e.id] = true
				for _, name := range e.names {
					names[name] = true
				}
			}
		}
		for _, i := range indexes {
			m.dropUseless(i)
			lost := i.lost(func(e entry) bool {
				taken := slices.ContainsFunc(e.names, func(name string) bool { return names[name] })
				return !ids[e.id] && !taken && m.onDisk(k, e, layers)
			})
			if err := m.restore(i, lost, locks[k.name]); err != nil {
				return fmt.Errorf("restore %s: %w", i.path, err)
			}
			if k.name == layerKind.name {
				for _, e := range i.entries {
					layers[e.id] = e.layer
				}
			}
		}
	}
	m.layers = layers
	return nil
}

// dropUseless removes the layers of images whose data is gone: a pull would take them for layers that it
// needs not fetch, and fail on top of them.
func (m *mender) dropUseless(i *index) {
	before := len(i.entries)
	i.entries = slices.DeleteFunc(i.entries, func(e entry) bool {
		return e.pulled && !e.incomplete && !isDir(filepath.Join(m.root, e.id, "diff"))
	})
	if lost := before - len(i.entries); lost > 0 {
		i.useless = true
		slog.Warn("layers of images are gone from the disk, and are pulled again where they are needed", "storage", m.graphRoot, "layers", lost)
	}
}

// lost are the entries that only the copy has, of those that are wanted back.
func (i *index) lost(wanted func(entry) bool) []entry {
	kept, _ := i.kind.decodeIndex(i.kept)
	return slices.DeleteFunc(kept, func(e entry) bool { return e.incomplete || !wanted(e) })
}

// onDisk reports whether the data of an entry is still there.
func (m *mender) onDisk(k kind, e entry, layers map[string]string) bool {
	switch k.name {
	case layerKind.name:
		dir := filepath.Join(m.root, e.id)
		if e.pulled {
			dir = filepath.Join(dir, "diff")
		}
		return isDir(dir)
	case imageKind.name:
		return isDir(filepath.Join(m.graphRoot, driver+"-images", e.id)) && isChain(layers, e.layer)
	}
	return isChain(layers, e.layer)
}

// isChain reports whether a layer and all below it are known.
func isChain(layers map[string]string, id string) bool {
	for range len(layers) + 1 {
		if id == "" {
			return true
		}
		below, known := layers[id]
		if !known {
			return false
		}
		id = below
	}
	return false // they go round in a circle
}

// restore writes an index with the entries that it had lost, where it had, and its copy, where that differs.
func (m *mender) restore(i *index, lost []entry, lock *lockfile.LockFile) error {
	if i.damaged || i.useless || len(lost) > 0 {
		i.entries = append(i.entries, lost...)
		if err := m.replace(i, lock); err != nil {
			return err
		}
	}
	if i.damaged || len(lost) > 0 {
		slog.Warn("an index of the image storage was damaged: entries are restored from the copy that davit keeps",
			"index", i.path, "restored", len(lost), "entries", len(i.entries))
	}
	if i.missing && len(lost) == 0 {
		return os.RemoveAll(i.copy)
	}
	return i.keep()
}

// keep makes the copy.
func (i *index) keep() error {
	if bytes.Equal(i.text, i.kept) {
		return nil
	}
	if info, err := os.Lstat(i.copy); err == nil && !info.Mode().IsRegular() {
		if err := os.RemoveAll(i.copy); err != nil {
			return err
		}
	}
	return disk.WriteFile(i.copy, i.text, 0o600)
}

// replace writes an index, and has every process that uses the storage read it again.
func (m *mender) replace(i *index, lock *lockfile.LockFile) error {
	if i.damaged && len(i.text) > 0 {
		if err := m.setAside(i.path); err != nil {
			return err
		}
	}
	text, err := encodeIndex(i.entries)
	if err != nil {
		return err
	}
	if _, err := lock.RecordWrite(); err != nil {
		return err
	}
	i.text = text
	return disk.WriteFile(i.path, text, 0o600)
}

// forget removes entries from the indexes of a kind, and from the copies, and nothing else: the files that the
// entries describe stay on the disk until they are pulled again (see guard.go).
func (m *mender) forget(k kind, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	lock, err := lockfile.GetLockFile(filepath.Join(m.graphRoot, k.lockFile()))
	if err != nil {
		return err
	}
	lock.Lock()
	defer lock.Unlock()
	indexes, err := m.openIndexes(k)
	if err != nil {
		return err
	}
	for _, i := range indexes {
		before := len(i.entries)
		i.entries = slices.DeleteFunc(i.entries, func(e entry) bool { return slices.Contains(ids, e.id) })
		if len(i.entries) == before {
			continue
		}
		if err := m.replace(i, lock); err != nil {
			return err
		}
		if err := i.keep(); err != nil {
			return err
		}
	}
	return nil
}

// known are the ids in the indexes of a kind. The caller holds the kind's lock.
func (m *mender) known(k kind) (map[string]bool, error) {
	indexes, err := m.openIndexes(k)
	ids := map[string]bool{}
	for _, i := range indexes {
		maps.Insert(ids, maps.All(idsOf(i.entries)))
	}
	return ids, err
}

func idsOf(entries []entry) map[string]bool {
	ids := map[string]bool{}
	for _, e := range entries {
		ids[e.id] = true
	}
	return ids
}

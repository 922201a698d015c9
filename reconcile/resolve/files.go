package resolve

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"

	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/units/bundle"
)

// contents are the values of a Config or Secret, by key.
type contents map[string][]byte

// collectData stores the contents of Configs and Secrets.
func (r *resolver) collectData() {
	for _, object := range r.in.Objects {
		switch declared := object.Object.(type) {
		case *v1.Config:
			text := contents{}
			for key, value := range declared.Data {
				text[key] = []byte(value)
			}
			data := maps.Clone(text)
			maps.Copy(data, declared.BinaryData)
			r.texts[declared.Metadata.Name], r.configs[declared.Metadata.Name] = text, data
		case *v1.Secret:
			data := contents{}
			for key, value := range declared.Data {
				data[key] = value
			}
			for key, value := range declared.StringData {
				data[key] = []byte(value)
			}
			r.secrets[declared.Metadata.Name] = data
		}
	}
}

// fileTree is a directory of files that a bundle brings along.
type fileTree struct {
	files    []bundle.File
	mode     v1.FileMode
	uid, gid int
	// grouped is set when the files belong to the pod's fsGroup, which can read all of them.
	grouped bool
}

func treeOf(run runnable, mode v1.FileMode) fileTree {
	return fileTree{mode: mode, gid: int(run.fsGroup), grouped: run.fsGroup != 0}
}

// own gives the files the owners that their volume names.
func (t *fileTree) own(uid, gid *int64) {
	t.uid = int(value(uid))
	if gid != nil {
		t.gid, t.grouped = int(*gid), false
	}
}

// defaultFileMode is Kubernetes'.
const defaultFileMode = 0o644

func (t *fileTree) add(name string, content []byte, mode v1.FileMode) error {
	if mode == "" {
		mode = t.mode
	}
	bits := uint64(defaultFileMode)
	if mode != "" {
		var err error
		if bits, err = strconv.ParseUint(string(mode), 8, 12); err != nil {
			return fmt.Errorf("%s: mode %s: want octal digits", name, mode)
		}
	}
	for _, file := range t.files {
		switch {
		case file.Path == name:
			return fmt.Errorf("two sources make the file %s: give one of them another path", name)
		case isBelow(file.Path, name), isBelow(name, file.Path):
			return fmt.Errorf("%s and %s cannot both be files: one would be a directory of the other: give one of them another path", file.Path, name)
		}
	}
	if t.grouped {
		bits |= 0o040
	}
	file := bundle.NewFile(name, content, uint32(bits))
	file.UID, file.GID = t.uid, t.gid
	t.files = append(t.files, file)
	return nil
}

// addKeys adds a file for each item, or for each key when there are no items.
func (t *fileTree) addKeys(data contents, kind, name string, items []v1.KeyPath, optional bool) error {
	if items == nil {
		for _, key := range slices.Sorted(maps.Keys(data)) {
			items = append(items, v1.KeyPath{Key: key, Path: key})
		}
	}
	for i, item := range items {
		content, ok := data[item.Key]
		switch {
		case ok:
			if err := t.add(path.Clean(item.Path), content, item.Mode); err != nil {
				return at(fmt.Sprintf("items[%d]", i), err)
			}
		case !optional:
			return at(fmt.Sprintf("items[%d].key", i), noKey(kind, name, item.Key))
		}
	}
	return nil
}

// addObject adds the keys of a Config or Secret.
func (t *fileTree) addObject(from map[string]contents, kind, name string, items []v1.KeyPath, optional bool) error {
	data, ok := from[name]
	if !ok && !optional {
		return fmt.Errorf("there is no %s %q", kind, name)
	}
	return t.addKeys(data, kind, name, items, optional)
}

// noKey is the error of a key that is referred to and not there.
func noKey(kind, name, key string) error {
	return fmt.Errorf("%s/%s has no key %q: add it, or set optional: true where it is referred to", kind, name, key)
}

// addFields adds files with fields of the object.
func (t *fileTree) addFields(r *resolver, run runnable, items []v1.DownwardFile) error {
	for i, item := range items {
		var text string
		var err error
		if item.FieldRef != nil {
			text, err = r.field(run, item.FieldRef.FieldPath)
		} else if item.ResourceFieldRef != nil {
			text, err = resourceField(run, *item.ResourceFieldRef)
		}
		if err == nil {
			err = t.add(path.Clean(item.Path), []byte(text), item.Mode)
		}
		if err != nil {
			return at(fmt.Sprintf("items[%d]", i), err)
		}
	}
	return nil
}

// files makes the files of a volume that has any; ok is false for other volumes.
func (r *resolver) files(run runnable, source v1.VolumeSource) (tree fileTree, ok bool, err error) {
	switch {
	case source.ConfigMap != nil:
		s := source.ConfigMap
		tree = treeOf(run, s.DefaultMode)
		tree.own(s.UID, s.GID)
		err = at("configMap", tree.addObject(r.configs, v1.KindConfig, s.Name, s.Items, s.Optional))
	case source.Secret != nil:
		s := source.Secret
		tree = treeOf(run, s.DefaultMode)
		tree.own(s.UID, s.GID)
		err = at("secret", tree.addObject(r.secrets, v1.KindSecret, s.SecretName, s.Items, s.Optional))
	case source.DownwardAPI != nil:
		tree = treeOf(run, source.DownwardAPI.DefaultMode)
		err = at("downwardAPI", tree.addFields(r, run, source.DownwardAPI.Items))
	case source.Projected != nil:
		tree = treeOf(run, source.Projected.DefaultMode)
		err = at("projected", r.project(&tree, run, source.Projected.Sources))
	default:
		return fileTree{}, false, nil
	}
	return tree, true, err
}

func (r *resolver) project(tree *fileTree, run runnable, sources []v1.Projection) error {
	var failures []error
	for i, source := range sources {
		field := fmt.Sprintf("sources[%d]", i)
		switch {
		case source.ConfigMap != nil:
			s := source.ConfigMap
			failures = append(failures, at(field+".configMap", tree.addObject(r.configs, v1.KindConfig, s.Name, s.Items, s.Optional)))
		case source.Secret != nil:
			s := source.Secret
			failures = append(failures, at(field+".secret", tree.addObject(r.secrets, v1.KindSecret, s.Name, s.Items, s.Optional)))
		case source.DownwardAPI != nil:
			failures = append(failures, at(field+".downwardAPI", tree.addFields(r, run, source.DownwardAPI.Items)))
		}
	}
	return errors.Join(failures...)
}

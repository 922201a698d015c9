package kube

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// conversion carries one [Convert].
type conversion struct {
	document map[string]any
	kind     string
	meta     v1.ObjectMeta
	result   Result
}

func (c *conversion) errorf(path, hint, format string, args ...any) {
	c.result.Problems = append(c.result.Problems, Problem{Path: path, Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (c *conversion) warnf(path, format string, args ...any) {
	c.result.Problems = append(c.result.Problems, Problem{Path: path, Message: fmt.Sprintf(format, args...), Warning: true})
}

// sort returns the fields that davit honours and reports the treatment of the others.
func (c *conversion) sort(from map[string]any, fields map[string]field, path string) map[string]any {
	kept := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(from)) {
		f, at := fields[name], join(path, name)
		switch {
		case f.treatment == yes:
			kept[name] = from[name]
		case isEmpty(from[name]) || slices.ContainsFunc(f.harmless, func(value any) bool { return reflect.DeepEqual(value, from[name]) }):
		case f.treatment == ignored:
			c.warnf(at, "is ignored: %s", f.reason)
		case f.treatment == no:
			c.errorf(at, f.reason, "davit cannot honour this field")
		}
	}
	return kept
}

// without removes the fields that a table names, and reports their treatment; other fields stay.
func (c *conversion) without(from map[string]any, fields map[string]field, path string) map[string]any {
	listed, kept := map[string]any{}, map[string]any{}
	for name, value := range from {
		if _, ok := fields[name]; ok {
			listed[name] = value
		} else {
			kept[name] = value
		}
	}
	c.sort(listed, fields, path)
	return kept
}

// isEmpty reports whether a value says nothing.
func isEmpty(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		return len(value) == 0
	case []any:
		return len(value) == 0
	default:
		return value == nil || value == ""
	}
}

// object decodes a tree of davit's own fields and adds the object. Fields that Kubernetes has and davit lacks are refused by
// name.
func (c *conversion) object(into v1.Object, tree map[string]any, from, to string) {
	tree["apiVersion"], tree["kind"] = v1.APIVersion, into.Ref().Kind
	c.known(tree["spec"], reflect.TypeOf(into).Elem(), "spec", from, to)
	text, err := json.Marshal(tree)
	if err == nil {
		decoder := json.NewDecoder(bytes.NewReader(text))
		err = decoder.Decode(into)
	}
	if err != nil {
		c.errorf("", "", "%s: %v", c.kind, err)
		return
	}
	c.result.Objects = append(c.result.Objects, Object{Object: into, From: from, To: to})
}

// known refuses fields of a tree that a type does not have. The path is that of davit's object.
func (c *conversion) known(tree any, of reflect.Type, path, from, to string) {
	if path == "spec" {
		field, ok := fieldOf(of, "spec")
		if !ok {
			return
		}
		of = field.Type
	}
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch value := tree.(type) {
	case []any:
		if of.Kind() == reflect.Slice {
			for i, item := range value {
				c.known(item, of.Elem(), fmt.Sprintf("%s[%d]", path, i), from, to)
			}
		}
	case map[string]any:
		if of.Kind() != reflect.Struct {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(value)) {
			field, ok := fieldOf(of, name)
			if !ok {
				at := path + "." + name
				if rest, found := strings.CutPrefix(at, from); found {
					at = to + rest
				}
				c.errorf(at, "", "davit cannot honour this field")
				continue
			}
			c.known(value[name], field.Type, path+"."+name, from, to)
		}
	}
}

func fieldOf(of reflect.Type, name string) (v1.Field, bool) {
	for _, field := range v1.Fields(of) {
		if field.Name == name {
			return field, true
		}
	}
	return v1.Field{}, false
}

func (c *conversion) tree(spec map[string]any) map[string]any {
	return map[string]any{"metadata": c.meta, "spec": spec}
}

// with is a tree with one field changed.
func with(tree map[string]any, name string, value any) map[string]any {
	changed := maps.Clone(tree)
	if changed == nil {
		changed = map[string]any{}
	}
	changed[name] = value
	return changed
}

func mapAt(from map[string]any, name string) map[string]any {
	value, _ := from[name].(map[string]any)
	return value
}

func textAt(from map[string]any, name string) string {
	value, _ := from[name].(string)
	return value
}

func textsAt(from map[string]any, name string) map[string]string {
	var texts map[string]string
	for key, value := range mapAt(from, name) {
		if texts == nil {
			texts = map[string]string{}
		}
		texts[key], _ = value.(string)
	}
	return texts
}

func listAt(from map[string]any, name string) []any {
	value, _ := from[name].([]any)
	return value
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

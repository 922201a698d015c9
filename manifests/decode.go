package manifests

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// kinds are the types a document can have.
var kinds = map[string]func() v1.Object{
	v1.KindContainer: func() v1.Object { return &v1.Container{} },
	v1.KindPod:       func() v1.Object { return &v1.Pod{} },
	v1.KindJob:       func() v1.Object { return &v1.Job{} },
	v1.KindCronJob:   func() v1.Object { return &v1.CronJob{} },
	v1.KindNetwork:   func() v1.Object { return &v1.Network{} },
	v1.KindVolume:    func() v1.Object { return &v1.Volume{} },
	v1.KindImage:     func() v1.Object { return &v1.Image{} },
	v1.KindConfig:    func() v1.Object { return &v1.Config{} },
	v1.KindSecret:    func() v1.Object { return &v1.Secret{} },
}

// decode makes the document's object. Values are first checked against the type, which
// gives every error its place, and then decoded through JSON.
func (d *document) decode() {
	if len(d.diagnostics) > 0 {
		return
	}
	object := d.newObject()
	if object == nil {
		return
	}
	tree := d.value(d.root, reflect.TypeOf(object).Elem(), "")
	if len(d.diagnostics) > 0 {
		return
	}
	text, err := json.Marshal(tree)
	if err == nil {
		err = json.Unmarshal(text, object)
	}
	if err != nil {
		d.report(d.root, "", err.Error(), "")
		return
	}
	d.object = object
}

// newObject finds the document's type by its apiVersion and kind.
func (d *document) newObject() v1.Object {
	if d.root.Kind != yaml.MappingNode {
		d.report(d.root, "", "want a document with apiVersion, kind, metadata and spec, got "+describe(d.root), "")
		return nil
	}
	version, kind := d.scalar("apiVersion"), d.scalar("kind")
	switch {
	case version == nil:
		d.report(d.root, "apiVersion", "missing", "davit's own kinds have apiVersion: "+v1.APIVersion)
		return nil
	case version.Value != v1.APIVersion:
		d.report(version, "apiVersion", fmt.Sprintf("unknown apiVersion %q", version.Value), "davit knows "+v1.APIVersion)
		return nil
	case kind == nil:
		d.report(d.root, "kind", "missing", "one of "+strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
		return nil
	}
	create, ok := kinds[kind.Value]
	if !ok {
		d.report(kind, "kind", fmt.Sprintf("unknown kind %q", kind.Value), didYouMean(kind.Value, slices.Sorted(maps.Keys(kinds))))
		return nil
	}
	return create()
}

func (d *document) scalar(key string) *yaml.Node {
	for i := 0; i+1 < len(d.root.Content); i += 2 {
		if d.root.Content[i].Value == key && d.root.Content[i+1].Kind == yaml.ScalarNode {
			return d.root.Content[i+1]
		}
	}
	return nil
}

var (
	quantityType = reflect.TypeFor[v1.Quantity]()
	valuesType   = reflect.TypeFor[v1.Values]()
	rawType      = reflect.TypeFor[json.RawMessage]()
	portType     = reflect.TypeFor[v1.PortRef]()
	modeType     = reflect.TypeFor[v1.FileMode]()
	byteType     = reflect.TypeFor[byte]()
)

// value checks a node against a type and returns it as a value for JSON.
func (d *document) value(node *yaml.Node, want reflect.Type, path string) any {
	d.nodes[path] = node
	switch {
	case d.open[node]:
		return nil
	case want.Kind() == reflect.Pointer:
		return d.value(node, want.Elem(), path)
	case want == valuesType:
		return d.settingValues(node, path)
	case want == rawType:
		return d.any(node, path)
	case want == quantityType && isNumber(node), want == portType && isNumber(node):
		return node.Value
	case want == modeType:
		return d.fileMode(node, path)
	case want.Kind() == reflect.Slice && want.Elem() == byteType:
		return d.base64(node, path)
	}
	switch want.Kind() {
	case reflect.Struct:
		return d.fields(node, want, path)
	case reflect.Map:
		return d.entries(node, want.Elem(), path)
	case reflect.Slice:
		return d.items(node, want.Elem(), path)
	case reflect.String:
		if node.Kind == yaml.ScalarNode && node.Tag == "!!str" {
			return node.Value
		}
		hint := ""
		if node.Kind == yaml.ScalarNode && node.Tag != "!!null" {
			hint = fmt.Sprintf("quote it: %q", node.Value)
		}
		return d.mistyped(node, path, "a string", hint)
	case reflect.Bool:
		if node.Kind == yaml.ScalarNode && node.Tag == "!!bool" {
			return node.Value == "true" || node.Value == "True" || node.Value == "TRUE"
		}
		return d.mistyped(node, path, "true or false", "")
	default:
		return d.integer(node, want, path)
	}
}

func isNumber(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && (node.Tag == "!!int" || node.Tag == "!!float")
}

// fileMode reads a mode in octal digits, whether they are quoted or begin with a 0. Any other
// number is decimal, as in Kubernetes, where 420 means 0644; one that no mode has was meant
// in octal.
func (d *document) fileMode(node *yaml.Node, path string) any {
	text, base := node.Value, 8
	if node.Kind == yaml.ScalarNode && node.Tag == "!!int" && !strings.HasPrefix(text, "0") {
		base = 10
	}
	mode, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), base, 32)
	switch {
	case node.Kind != yaml.ScalarNode || err != nil || base == 8 && mode > 0o7777:
		return d.mistyped(node, path, `a mode in octal digits such as "0644"`, "")
	case base == 10 && mode > 0o777:
		return d.mistyped(node, path, "a mode", fmt.Sprintf("a number without a leading 0 is decimal: write \"0%s\"", text))
	}
	return fmt.Sprintf("%04o", mode)
}

// base64 takes text as it is, for JSON to decode.
func (d *document) base64(node *yaml.Node, path string) any {
	if node.Kind != yaml.ScalarNode || node.Tag != "!!str" {
		return d.mistyped(node, path, "base64", "")
	}
	// Line ends come from block scalars and from base64(1).
	text := strings.NewReplacer("\n", "", "\r", "").Replace(node.Value)
	if _, err := base64.StdEncoding.DecodeString(text); err != nil {
		return d.mistyped(node, path, "base64", "for text, use data of a Config or stringData of a Secret")
	}
	return text
}

func (d *document) mistyped(node *yaml.Node, path, want, hint string) any {
	d.report(node, path, fmt.Sprintf("want %s, got %s", want, describe(node)), hint)
	return nil
}

// integer takes decimal numbers only: 0644 means different numbers in different versions
// of YAML.
func (d *document) integer(node *yaml.Node, want reflect.Type, path string) any {
	if node.Kind != yaml.ScalarNode || node.Tag != "!!int" {
		return d.mistyped(node, path, "a number", "")
	}
	number, err := strconv.ParseInt(node.Value, 10, want.Bits())
	if err != nil || strings.TrimLeft(node.Value, "-") != "0" && strings.HasPrefix(strings.TrimLeft(node.Value, "-"), "0") {
		return d.mistyped(node, path, fmt.Sprintf("a decimal number of at most %d bits", want.Bits()), "")
	}
	return number
}

func (d *document) fields(node *yaml.Node, want reflect.Type, path string) any {
	if node.Kind != yaml.MappingNode {
		return d.mistyped(node, path, "a mapping", "")
	}
	known := fieldTypes(want)
	values := map[string]any{}
	d.eachEntry(node, path, func(key, value *yaml.Node) {
		field := join(path, key.Value)
		fieldType, ok := known[key.Value]
		if !ok {
			d.report(key, field, "unknown field", didYouMean(key.Value, slices.Sorted(maps.Keys(known))))
			return
		}
		values[key.Value] = d.value(value, fieldType, field)
	})
	return values
}

func (d *document) entries(node *yaml.Node, want reflect.Type, path string) any {
	if node.Kind != yaml.MappingNode {
		return d.mistyped(node, path, "a mapping", "")
	}
	values := map[string]any{}
	d.eachEntry(node, path, func(key, value *yaml.Node) {
		values[key.Value] = d.value(value, want, join(path, key.Value))
	})
	return values
}

// eachEntry calls yield for each entry of a mapping; keys that repeat, or differ only in
// case, are reported.
func (d *document) eachEntry(node *yaml.Node, path string, yield func(key, value *yaml.Node)) {
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			d.mistyped(key, path, "a name", "")
			continue
		}
		folded := strings.ToLower(key.Value)
		if first, twice := seen[folded]; twice {
			d.report(key, join(path, key.Value), fmt.Sprintf("is there twice, as %q in line %d too", first.Value, first.Line), "")
			continue
		}
		seen[folded] = key
		yield(key, value)
	}
}

func (d *document) items(node *yaml.Node, want reflect.Type, path string) any {
	if node.Kind != yaml.SequenceNode {
		return d.mistyped(node, path, "a list", "")
	}
	values := make([]any, 0, len(node.Content))
	for i, item := range node.Content {
		values = append(values, d.value(item, want, fmt.Sprintf("%s[%d]", path, i)))
	}
	return values
}

// settingValues takes what systemd is to read, as it is written: 0077 is not 63. Without a
// value a setting would only take davit's own away.
func (d *document) settingValues(node *yaml.Node, path string) any {
	items := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		items = node.Content
	}
	if len(items) == 0 {
		return d.mistyped(node, path, "a value", "leave the setting out")
	}
	values := make([]any, 0, len(items))
	for i, item := range items {
		at := path
		if node.Kind == yaml.SequenceNode {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		switch {
		case item.Kind != yaml.ScalarNode || item.Tag == "!!null":
			d.mistyped(item, at, "a string, number or boolean, or a list of them", "")
		case item.Tag == "!!bool":
			values = append(values, strings.EqualFold(item.Value, "true"))
		default:
			values = append(values, item.Value)
		}
	}
	return values
}

// any takes a value whose type is not davit's to know.
func (d *document) any(node *yaml.Node, path string) any {
	switch node.Kind {
	case yaml.MappingNode:
		return d.entries(node, rawType, path)
	case yaml.SequenceNode:
		return d.items(node, rawType, path)
	}
	var value any
	if err := node.Decode(&value); err != nil {
		d.report(node, path, err.Error(), "")
	}
	return value
}

// fieldTypes maps a struct's JSON names to types, those of embedded structs included.
func fieldTypes(of reflect.Type) map[string]reflect.Type {
	types := map[string]reflect.Type{}
	for field := range of.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" && strings.Contains(options, "inline") {
			maps.Copy(types, fieldTypes(field.Type))
			continue
		}
		types[name] = field.Type
	}
	return types
}

// describe names what a node is, for "want …, got …".
func describe(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "a mapping"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case node.Tag == "!!null":
		return "nothing"
	case node.Tag == "!!bool":
		return "the boolean " + node.Value
	case node.Tag == "!!int" || node.Tag == "!!float":
		return "the number " + node.Value
	case node.Tag == "!!timestamp":
		return "the date " + node.Value
	default:
		return fmt.Sprintf("%q", node.Value)
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

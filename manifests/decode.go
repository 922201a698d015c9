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
	"sync"

	"go.yaml.in/yaml/v3"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// kinds are the types a document can have.
var kinds = v1.Kinds

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
	known := fieldsOf(want)
	names := slices.Sorted(maps.Keys(known))
	values, meant := map[string]any{}, map[string]bool{}
	d.eachEntry(node, path, func(key, value *yaml.Node) {
		at := join(path, key.Value)
		field, ok := known[key.Value]
		if !ok {
			meant[nearest(key.Value, names)] = true
			d.report(key, at, "unknown field", didYouMean(key.Value, names))
			return
		}
		values[key.Value] = d.value(value, field.Type, at)
		d.checkEnum(value, field, at)
	})
	for _, name := range names {
		// What was meant but misspelt has been reported.
		if _, there := values[name]; known[name].Required && !there && !meant[name] {
			d.report(node, join(path, name), "missing", "")
		}
	}
	return values
}

// checkEnum checks a field that has a set of values.
func (d *document) checkEnum(node *yaml.Node, field v1.Field, path string) {
	// A value that is no string has been reported.
	if field.Enum == nil || node.Tag != "!!str" || slices.Contains(field.Enum, node.Value) {
		return
	}
	hint := didYouMean(node.Value, field.Enum)
	if hint == "" {
		hint = "one of " + v1.EnumText(field.Enum)
	}
	d.report(node, path, fmt.Sprintf("unknown value %q", node.Value), hint)
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

// fieldsByType holds what fieldsOf has found: reflection is most of the work otherwise.
var fieldsByType sync.Map

// fieldsOf maps a struct's fields by name, those of inlined structs included.
func fieldsOf(of reflect.Type) map[string]v1.Field {
	if known, ok := fieldsByType.Load(of); ok {
		return known.(map[string]v1.Field)
	}
	fields := map[string]v1.Field{}
	for _, field := range v1.Fields(of) {
		fields[field.Name] = field
	}
	fieldsByType.Store(of, fields)
	return fields
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

package yaml

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

	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/manifests/suggest"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// Dialect says how the types of a format are read, if it differs from davit's own.
type Dialect struct {
	// Value reads types that are more than their fields; ok is false for all other types. Without it there are none.
	Value func(r *Reader, node *Node, want reflect.Type, path string) (value any, ok bool)
	// Optional means that the tags of the types do not say which fields are required.
	Optional bool
}

// Reader checks the nodes of a document against types. It reports every difference at its place.
type Reader struct {
	*Document
	dialect Dialect
}

// Read checks the document against a type, and returns it as a value for JSON. The value is of use only if there are no diagnostics.
func (d *Document) Read(want reflect.Type, dialect Dialect) any {
	return (&Reader{d, dialect}).Value(d.Root, want, "")
}

// Decode checks the document against the type of a value, and decodes it into the value through JSON. It reports errors at their places,
// and leaves the value as it is if there are any.
func (d *Document) Decode(into any) {
	tree := d.Read(reflect.TypeOf(into).Elem(), Dialect{})
	if len(d.Diagnostics) > 0 {
		return
	}
	text, err := json.Marshal(tree)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		d.Report(d.Root, "", err.Error(), "")
	}
}

var (
	quantityType = reflect.TypeFor[v1.Quantity]()
	valuesType   = reflect.TypeFor[v1.Values]()
	rawType      = reflect.TypeFor[json.RawMessage]()
	portType     = reflect.TypeFor[v1.PortRef]()
	listenType   = reflect.TypeFor[v1.ListenAddress]()
	modeType     = reflect.TypeFor[v1.FileMode]()
	byteType     = reflect.TypeFor[byte]()
)

// Value checks a node against a type and returns it as a value for JSON.
func (r *Reader) Value(node *Node, want reflect.Type, path string) any {
	r.Nodes[path] = node
	if r.open[node] {
		return nil
	}
	if r.dialect.Value != nil {
		if value, ok := r.dialect.Value(r, node, want, path); ok {
			return value
		}
	}
	switch {
	case want.Kind() == reflect.Pointer:
		return r.Value(node, want.Elem(), path)
	case want == valuesType:
		return r.settingValues(node, path)
	case want == rawType:
		return r.Any(node, path)
	case want == quantityType && isNumber(node), want == portType && isNumber(node), want == listenType && isNumber(node):
		return node.Value
	case want == modeType:
		return r.fileMode(node, path)
	case want.Kind() == reflect.Slice && want.Elem() == byteType:
		return r.base64(node, path)
	}
	switch want.Kind() {
	case reflect.Struct:
		return r.fields(node, want, path)
	case reflect.Map:
		return r.entries(node, want.Elem(), path)
	case reflect.Slice:
		return r.items(node, want.Elem(), path)
	case reflect.String:
		if node.Kind == yaml.ScalarNode && node.Tag == "!!str" {
			return node.Value
		}
		return r.Mistyped(node, path, "a string", r.quoteHint(node))
	case reflect.Bool:
		if node.Kind == yaml.ScalarNode && node.Tag == "!!bool" {
			return node.Value == "true" || node.Value == "True" || node.Value == "TRUE"
		}
		return r.Mistyped(node, path, "true or false", booleanHint(node))
	default:
		return r.Integer(node, want, path)
	}
}

func (r *Reader) quoteHint(node *Node) string {
	switch {
	case node.Kind != yaml.ScalarNode:
		return ""
	case node.Tag == "!!null":
		return `leave the field out, or write ""`
	case r.isSecret():
		return "quote it"
	default:
		return fmt.Sprintf("quote it: %q", node.Value)
	}
}

// booleanHint knows the words that YAML 1.1 took for booleans.
func booleanHint(node *Node) string {
	switch strings.ToLower(node.Value) {
	case "yes", "y", "on", "true", "1":
		return "write true"
	case "no", "n", "off", "false", "0":
		return "write false"
	default:
		return ""
	}
}

// fileMode reads a mode in octal digits, whether they are quoted or begin with a 0. Any other
// number is decimal, as in Kubernetes, where 420 means 0644; one that no mode has was meant
// in octal.
func (r *Reader) fileMode(node *Node, path string) any {
	text, base := node.Value, 8
	if node.Kind == yaml.ScalarNode && node.Tag == "!!int" && !strings.HasPrefix(text, "0") {
		base = 10
	}
	mode, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), base, 32)
	switch {
	case node.Kind != yaml.ScalarNode || err != nil || base == 8 && mode > 0o7777:
		return r.Mistyped(node, path, `a mode in octal digits such as "0644"`, "")
	case base == 10 && mode > 0o777:
		return r.Mistyped(node, path, "a mode", fmt.Sprintf("a number without a leading 0 is decimal: write \"0%s\"", text))
	}
	return fmt.Sprintf("%04o", mode)
}

// base64 takes text as it is, for JSON to decode.
func (r *Reader) base64(node *Node, path string) any {
	if node.Kind != yaml.ScalarNode || node.Tag != "!!str" {
		return r.Mistyped(node, path, "base64", "")
	}
	// Line ends come from block scalars and from base64(1).
	text := strings.NewReplacer("\n", "", "\r", "").Replace(node.Value)
	if _, err := base64.StdEncoding.DecodeString(text); err != nil {
		return r.Mistyped(node, path, "base64", "for text, use data of a Config or stringData of a Secret")
	}
	return text
}

// Integer checks a number and returns it as a value for JSON. It takes decimal numbers only: 0644 means different numbers in
// different versions of YAML.
func (r *Reader) Integer(node *Node, want reflect.Type, path string) any {
	if node.Kind != yaml.ScalarNode || node.Tag != "!!int" {
		hint := ""
		if _, err := strconv.ParseInt(node.Value, 10, 64); err == nil {
			hint = "leave the quotes out"
		}
		return r.Mistyped(node, path, "a number", hint)
	}
	number, err := strconv.ParseInt(node.Value, 10, want.Bits())
	if err != nil || strings.TrimLeft(node.Value, "-") != "0" && strings.HasPrefix(strings.TrimLeft(node.Value, "-"), "0") {
		return r.Mistyped(node, path, fmt.Sprintf("a decimal number of at most %d bits", want.Bits()), "")
	}
	return number
}

func (r *Reader) fields(node *Node, want reflect.Type, path string) any {
	if node.Kind != yaml.MappingNode {
		return r.Mistyped(node, path, "a mapping", requiredHint(node, want))
	}
	known, names := fieldsOf(want)
	values, meant := map[string]any{}, map[string]bool{}
	r.EachEntry(node, path, func(key, value *Node) {
		at := object.Join(path, key.Value)
		field, ok := known[key.Value]
		if !ok {
			meant[suggest.Nearest(key.Value, names)] = true
			r.Report(key, at, "unknown field", suggest.DidYouMean(key.Value, names))
			return
		}
		values[key.Value] = r.Value(value, field.Type, at)
		r.checkEnum(value, field, at)
	})
	for _, name := range names {
		// What was meant but misspelt has been reported.
		if _, there := values[name]; !r.dialect.Optional && known[name].Required && !there && !meant[name] {
			r.Report(node, object.Join(path, name), "missing", "")
		}
	}
	return values
}

// requiredHint names what a mapping must have, to who wrote Compose's "80:80" or "data:/data".
func requiredHint(node *Node, want reflect.Type) string {
	var parts []string
	for _, field := range v1.Fields(want) {
		if field.Required {
			parts = append(parts, field.Name+": …")
		}
	}
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" || len(parts) == 0 {
		return ""
	}
	return "write {" + strings.Join(parts, ", ") + "}"
}

// checkEnum checks a field that has a set of values.
func (r *Reader) checkEnum(node *Node, field v1.Field, path string) {
	// A value that is no string has been reported.
	if field.Enum == nil || node.Tag != "!!str" || slices.Contains(field.Enum, node.Value) {
		return
	}
	hint := suggest.DidYouMean(node.Value, field.Enum)
	if hint == "" {
		hint = "one of " + v1.EnumText(field.Enum)
	}
	r.Report(node, path, fmt.Sprintf("unknown value %q", node.Value), hint)
}

func (r *Reader) entries(node *Node, want reflect.Type, path string) any {
	if node.Kind != yaml.MappingNode {
		return r.Mistyped(node, path, "a mapping", "")
	}
	values := map[string]any{}
	r.EachEntry(node, path, func(key, value *Node) {
		values[key.Value] = r.Value(value, want, object.Join(path, key.Value))
	})
	return values
}

func (r *Reader) items(node *Node, want reflect.Type, path string) any {
	if node.Kind != yaml.SequenceNode {
		return r.Mistyped(node, path, "a list", "")
	}
	values := make([]any, 0, len(node.Content))
	for i, item := range node.Content {
		values = append(values, r.Value(item, want, fmt.Sprintf("%s[%d]", path, i)))
	}
	return values
}

// settingValues takes what systemd is to read, as it is written: 0077 is not 63. Without a
// value a setting would only take davit's own away.
func (r *Reader) settingValues(node *Node, path string) any {
	items := []*Node{node}
	if node.Kind == yaml.SequenceNode {
		items = node.Content
	}
	if len(items) == 0 {
		return r.Mistyped(node, path, "a value", "leave the setting out")
	}
	values := make([]any, 0, len(items))
	for i, item := range items {
		at := path
		if node.Kind == yaml.SequenceNode {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		switch {
		case item.Kind != yaml.ScalarNode || item.Tag == "!!null":
			r.Mistyped(item, at, "a string, number or boolean, or a list of them", "")
		case item.Tag == "!!bool":
			values = append(values, strings.EqualFold(item.Value, "true"))
		default:
			values = append(values, item.Value)
		}
	}
	return values
}

// Any returns a node as a value for JSON, if its type is not davit's to know.
func (r *Reader) Any(node *Node, path string) any {
	switch node.Kind {
	case yaml.MappingNode:
		return r.entries(node, rawType, path)
	case yaml.SequenceNode:
		return r.items(node, rawType, path)
	}
	var value any
	if err := node.Decode(&value); err != nil {
		r.Report(node, path, err.Error(), "")
	}
	return value
}

// fieldsByType holds what fieldsOf has found: reflection is most of the work otherwise.
var fieldsByType sync.Map

// namedFields are a struct's fields by name, and the names sorted.
type namedFields struct {
	byName map[string]v1.Field
	names  []string
}

// fieldsOf maps a struct's fields by name, those of inlined structs included, and lists the names. Neither is the
// caller's to change.
func fieldsOf(of reflect.Type) (byName map[string]v1.Field, names []string) {
	if known, ok := fieldsByType.Load(of); ok {
		fields := known.(namedFields)
		return fields.byName, fields.names
	}
	fields := namedFields{byName: map[string]v1.Field{}}
	for _, field := range v1.Fields(of) {
		fields.byName[field.Name] = field
	}
	fields.names = slices.Sorted(maps.Keys(fields.byName))
	fieldsByType.Store(of, fields)
	return fields.byName, fields.names
}

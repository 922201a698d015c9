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

	"github.com/davit-project/davit/manifests/kube"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// kinds are the types a document can have.
var kinds = v1.Kinds

// decode makes the document's object. Values are first checked against the type, which
// gives every error its place, and then decoded through JSON.
func (d *document) decode(refuseUnsupported bool) {
	if len(d.diagnostics) > 0 {
		return
	}
	version, kind := d.head()
	if kind == nil || d.clusterOnly(version, kind, refuseUnsupported) {
		return
	}
	if of, ok := kube.Type(version.Value, kind.Value); ok {
		d.decodeKubernetes(version.Value, kind.Value, of)
		return
	}
	object := d.newObject(version, kind)
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

// head is the document's apiVersion and kind; both are nil when one is missing.
func (d *document) head() (version, kind *yaml.Node) {
	if d.root.Kind != yaml.MappingNode {
		d.report(d.root, "", "want a document with apiVersion, kind, metadata and spec, got "+describe(d.root), "")
		return nil, nil
	}
	version, kind = d.scalar("apiVersion"), d.scalar("kind")
	switch {
	case version == nil && d.entry("services") != nil:
		d.report(d.root, "", "a Compose file is no manifest", "write a Container for each service, see docs/manifests.md")
	case d.mistypedHead("apiVersion"), d.mistypedHead("kind"):
	case version == nil:
		d.report(d.root, "apiVersion", "missing", "davit's own kinds have apiVersion: "+v1.APIVersion)
	case kind == nil:
		d.report(d.root, "kind", "missing", "one of "+strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
	default:
		return version, kind
	}
	return nil, nil
}

// newObject makes an empty object of davit's own kinds.
func (d *document) newObject(version, kind *yaml.Node) v1.Object {
	if version.Value != v1.APIVersion {
		d.unknownAPI(version, kind)
		return nil
	}
	create, ok := kinds[kind.Value]
	if !ok {
		d.report(kind, "kind", fmt.Sprintf("unknown kind %q", kind.Value), didYouMean(kind.Value, slices.Sorted(maps.Keys(kinds))))
		return nil
	}
	return create()
}

// mistypedHead reports an apiVersion or kind that is there and is no text.
func (d *document) mistypedHead(key string) bool {
	node := d.entry(key)
	if node == nil || node.Kind == yaml.ScalarNode && node.Tag != "!!null" {
		return false
	}
	d.mistyped(node, key, "a string", "")
	return true
}

// scalar is the value of one of the document's own keys, nil when there is none.
func (d *document) scalar(key string) *yaml.Node {
	if node := d.entry(key); node != nil && node.Kind == yaml.ScalarNode {
		return node
	}
	return nil
}

// entry is what one of the document's own keys has, nil when it is not there.
func (d *document) entry(key string) *yaml.Node { return entryOf(d.root, key) }

func entryOf(mapping *yaml.Node, key string) *yaml.Node {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
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

// value checks a node against a type and returns it as a value for JSON.
func (d *document) value(node *yaml.Node, want reflect.Type, path string) any {
	d.nodes[path] = node
	if d.open[node] {
		return nil
	}
	if d.kubernetes {
		if value, ok := d.kubernetesValue(node, want, path); ok {
			return value
		}
	}
	switch {
	case want.Kind() == reflect.Pointer:
		return d.value(node, want.Elem(), path)
	case want == valuesType:
		return d.settingValues(node, path)
	case want == rawType:
		return d.any(node, path)
	case want == quantityType && isNumber(node), want == portType && isNumber(node), want == listenType && isNumber(node):
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
		return d.mistyped(node, path, "a string", d.quoteHint(node))
	case reflect.Bool:
		if node.Kind == yaml.ScalarNode && node.Tag == "!!bool" {
			return node.Value == "true" || node.Value == "True" || node.Value == "TRUE"
		}
		return d.mistyped(node, path, "true or false", booleanHint(node))
	default:
		return d.integer(node, want, path)
	}
}

func (d *document) quoteHint(node *yaml.Node) string {
	switch {
	case node.Kind != yaml.ScalarNode:
		return ""
	case node.Tag == "!!null":
		return `leave the field out, or write ""`
	case d.secret():
		return "quote it"
	default:
		return fmt.Sprintf("quote it: %q", node.Value)
	}
}

// booleanHint knows the words that YAML 1.1 took for booleans.
func booleanHint(node *yaml.Node) string {
	switch strings.ToLower(node.Value) {
	case "yes", "y", "on", "true", "1":
		return "write true"
	case "no", "n", "off", "false", "0":
		return "write false"
	default:
		return ""
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
	got := describe(node)
	if d.secret() && node.Kind == yaml.ScalarNode && node.Tag != "!!null" {
		got = "something else"
	}
	d.report(node, path, fmt.Sprintf("want %s, got %s", want, got), hint)
	return nil
}

// secret reports whether the document's values are shown to nobody.
func (d *document) secret() bool {
	kind := d.scalar("kind")
	return kind != nil && kind.Value == v1.KindSecret
}

// integer takes decimal numbers only: 0644 means different numbers in different versions
// of YAML.
func (d *document) integer(node *yaml.Node, want reflect.Type, path string) any {
	if node.Kind != yaml.ScalarNode || node.Tag != "!!int" {
		hint := ""
		if _, err := strconv.ParseInt(node.Value, 10, 64); err == nil {
			hint = "leave the quotes out"
		}
		return d.mistyped(node, path, "a number", hint)
	}
	number, err := strconv.ParseInt(node.Value, 10, want.Bits())
	if err != nil || strings.TrimLeft(node.Value, "-") != "0" && strings.HasPrefix(strings.TrimLeft(node.Value, "-"), "0") {
		return d.mistyped(node, path, fmt.Sprintf("a decimal number of at most %d bits", want.Bits()), "")
	}
	return number
}

func (d *document) fields(node *yaml.Node, want reflect.Type, path string) any {
	if node.Kind != yaml.MappingNode {
		return d.mistyped(node, path, "a mapping", requiredHint(node, want))
	}
	known, names := fieldsOf(want)
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
		// What was meant but misspelt has been reported. Kubernetes' types do not say by
		// their tags what is required.
		if _, there := values[name]; !d.kubernetes && known[name].Required && !there && !meant[name] {
			d.report(node, join(path, name), "missing", "")
		}
	}
	return values
}

// requiredHint names what a mapping must have, to who wrote Compose's "80:80" or "data:/data".
func requiredHint(node *yaml.Node, want reflect.Type) string {
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
			d.report(key, join(path, key.Value), fmt.Sprintf("appears twice, as %q in line %d too", first.Value, first.Line), "")
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
		return fmt.Sprintf("%q", shorten(node.Value))
	}
}

// shorten cuts what a message need not show as a whole.
func shorten(text string) string {
	const most = 60
	if characters := []rune(text); len(characters) > most {
		return string(characters[:most]) + "…"
	}
	return text
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

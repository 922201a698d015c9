package manifests

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// Node is what manifests can ask of the node they are loaded for.
type Node struct {
	// Hostname picks the folder below nodes/.
	Hostname string
	// Labels are facts and what the node's configuration adds; nodeSelector and the folders
	// below labels/ match them.
	Labels map[string]string
	// Variables are what ${NAME} stands for, by name.
	Variables map[string]Variable
}

// Variable is a value that keeps the type it was written with.
type Variable struct {
	// Text is the value as it was written.
	Text string
	// tag is YAML's: !!str, !!int, !!float or !!bool. Empty is !!str.
	tag string
}

// ParseVariable takes a value as YAML takes it: 8080 is a number, "8080" and web are text.
func ParseVariable(text string) Variable {
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(text), &node); err == nil && len(node.Content) == 1 {
		if scalar := node.Content[0]; isPlain(scalar) && scalar.Tag != "!!str" {
			return Variable{scalar.Value, scalar.Tag}
		}
	}
	return Variable{Text: strings.Trim(text, `"`)}
}

func isPlain(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && (isNumber(node) || node.Tag == "!!bool" || node.Tag == "!!str")
}

// Facts are what a node is by itself. An empty one is not known.
type Facts struct {
	Hostname string
	// Arch is Go's name of the architecture: amd64, arm64, …
	Arch string
	// OS and OSVersion are ID and VERSION_ID of os-release(5).
	OS, OSVersion string
	MachineID     string
	// Address and Address6 are the node's own addresses towards the world; empty without a
	// route there.
	Address, Address6 string
}

// factPrefix begins the labels that say what a node is; nobody else may set those.
const factPrefix = "davit.io/"

// Node returns a node with these facts: as labels davit.io/hostname, arch, os, os-version,
// machine-id and address, as variables davit.hostname and so on, and as Kubernetes' well-known
// labels. An IPv6 address cannot be a label, so it is a variable alone.
func (f Facts) Node() Node {
	labels := map[string]string{"kubernetes.io/os": "linux"}
	for name, value := range map[string]string{
		"hostname": f.Hostname, "arch": f.Arch, "os": f.OS, "os-version": f.OSVersion, "machine-id": f.MachineID,
		"address": f.Address,
	} {
		if value != "" {
			labels[factPrefix+name] = value
		}
	}
	if f.Hostname != "" {
		labels["kubernetes.io/hostname"] = f.Hostname
	}
	if f.Arch != "" {
		labels["kubernetes.io/arch"] = f.Arch
	}
	variables := map[string]Variable{}
	if f.Address6 != "" {
		variables["davit.address6"] = Variable{Text: f.Address6}
	}
	return Node{Hostname: f.Hostname}.With(labels, variables)
}

// With returns the node with further labels and variables, which win. A fact is both.
func (n Node) With(labels map[string]string, variables map[string]Variable) Node {
	merged := Node{n.Hostname, map[string]string{}, map[string]Variable{}}
	for _, more := range []map[string]string{n.Labels, labels} {
		maps.Copy(merged.Labels, more)
	}
	for _, more := range []map[string]Variable{n.Variables, variables} {
		maps.Copy(merged.Variables, more)
	}
	for key, value := range labels {
		if fact, ok := strings.CutPrefix(key, factPrefix); ok {
			merged.Variables["davit."+fact] = Variable{Text: value}
		}
	}
	return merged
}

// Config is a node's configuration file.
type Config struct {
	// Labels are the node's beside its facts.
	Labels map[string]string
	// Variables are values for manifests.
	Variables map[string]Variable
	// Generations is how many generations are kept; 0 where the file does not say.
	Generations int
	// GenerationsSize is how much earlier ones may take, in bytes; 0 where the file does not say.
	GenerationsSize int64
	// ReportDrift is set when what differs from what was applied is only told.
	ReportDrift bool
	// PruneLimit is how many of a hundred workloads may go at once with nobody's confirming it; 0
	// where the file does not say.
	PruneLimit int
	// MinReadySeconds is how long a version must be ready before it counts as working, where its manifest
	// does not say; nil where the file does not say either.
	MinReadySeconds *int32
	// RefuseUnsupported is set where the kinds that only a cluster has are errors.
	RefuseUnsupported bool
	// ExtendedResources are the paths, or the names as CDI devices, of the devices of resources such as nvidia.com/gpu, by their names.
	ExtendedResources map[string][]string
	// Proxy are the proxies of davit and of containers.
	Proxy Proxy
}

// configFile is what the file may have.
type configFile struct {
	Labels    map[string]string          `json:"labels,omitempty"`
	Variables map[string]json.RawMessage `json:"variables,omitempty"`
	// Generations is how many generations are kept to go back to, at least 2; the default is 10.
	Generations int `json:"generations,omitempty"`
	// GenerationsSize is how much the images may take that only earlier generations need; the default is
	// 10Gi. The one before the newest is kept however large it is.
	GenerationsSize v1.Quantity `json:"generationsSize,omitempty"`
	// Drift is repair (the default), or report, which only tells what differs from what was applied.
	Drift string `json:"drift,omitempty" enum:"repair,report"`
	// PruneLimit is how many percent of the workloads may go at once with nobody's confirming it; the
	// default is 50. Three may always.
	PruneLimit int `json:"pruneLimit,omitempty"`
	// MinReadySeconds is how long a version must be ready before it counts as working, where its manifest
	// does not say; the default is 10.
	MinReadySeconds *int32 `json:"minReadySeconds,omitempty"`
	// UnsupportedKinds is warn (the default), which leaves kinds out that only a cluster has, such as Namespace and
	// Role, with a warning each, or error.
	UnsupportedKinds string `json:"unsupportedKinds,omitempty" enum:"warn,error"`
	// ExtendedResources are the devices that a container gets for a resource such as nvidia.com/gpu, by its name.
	ExtendedResources map[string][]string `json:"extendedResources,omitempty"`
	// Proxy are the proxies by which davit reaches registries, and which containers are given that ask for them.
	Proxy proxyFile `json:"proxy,omitzero"`
}

// ParseConfig reads a node's configuration, as strictly as a manifest. An empty file is an
// empty configuration.
func ParseConfig(file File) (Config, object.Diagnostics) {
	config := Config{Labels: map[string]string{}, Variables: map[string]Variable{}}
	documents, diagnostics := parse(file)
	if len(diagnostics) > 0 || len(documents) == 0 {
		return config, diagnostics
	}
	d := documents[0]
	if len(documents) > 1 {
		documents[1].report(documents[1].root, "", "want one document", "")
		return config, documents[1].diagnostics
	}
	if len(d.diagnostics) == 0 {
		config.ExtendedResources = d.extendedResources(d.value(d.root, reflect.TypeFor[configFile](), ""))
	}
	for _, path := range slices.Sorted(maps.Keys(d.nodes)) {
		node := d.nodes[path]
		if key, ok := strings.CutPrefix(path, "labels."); ok {
			d.checkLabel(path, key, node)
			config.Labels[key] = node.Value
		}
		// Whatever lies deeper than a variable has been refused with it.
		if name, ok := strings.CutPrefix(path, "variables."); ok && node.Kind == yaml.ScalarNode {
			config.Variables[name] = Variable{node.Value, node.Tag}
		}
	}
	d.checkVariables()
	config.Generations = d.number("generations", 2, maxGenerations)
	config.GenerationsSize = d.size("generationsSize")
	if node, ok := d.nodes["drift"]; ok {
		config.ReportDrift = node.Value == "report"
	}
	if node, ok := d.nodes["unsupportedKinds"]; ok {
		config.RefuseUnsupported = node.Value == "error"
	}
	config.Proxy = d.proxy()
	config.PruneLimit = d.number("pruneLimit", 1, 100)
	if _, ok := d.nodes["minReadySeconds"]; ok {
		seconds := int32(d.number("minReadySeconds", 0, maxReadySeconds))
		config.MinReadySeconds = &seconds
	}
	return config, d.diagnostics
}

// size is a number of bytes of the configuration; 0 where it has none.
func (d *document) size(field string) int64 {
	node, ok := d.nodes[field]
	if !ok || len(d.diagnostics) > 0 {
		return 0
	}
	size, err := resource.ParseQuantity(node.Value)
	if err != nil || size.Value() < 1 {
		d.report(node, field, fmt.Sprintf("%q: want a number of bytes, such as 5Gi", node.Value), "")
		return 0
	}
	return size.Value()
}

// number is a number of the configuration within bounds; 0 where it has none.
func (d *document) number(field string, least, most int) int {
	node, ok := d.nodes[field]
	if !ok || len(d.diagnostics) > 0 {
		return 0
	}
	number, err := strconv.Atoi(node.Value)
	if err != nil || number < least || number > most {
		d.report(node, field, fmt.Sprintf("%s: want %d to %d", node.Value, least, most), "")
		return 0
	}
	return number
}

// maxGenerations is more than is of use to go back to, maxReadySeconds an hour.
const (
	maxGenerations  = 1000
	maxReadySeconds = 3600
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (d *document) checkLabel(path, key string, node *yaml.Node) {
	switch {
	case strings.HasPrefix(key, factPrefix):
		d.report(node, path, "labels of "+factPrefix+" are facts that davit finds itself", "leave it out")
	case len(validation.IsQualifiedName(key)) > 0:
		d.report(node, path, fmt.Sprintf("%q is not a label: want NAME or example.com/NAME", key), "")
	case len(validation.IsValidLabelValue(node.Value)) > 0:
		d.report(node, path, fmt.Sprintf("%q is not a label's value: want at most 63 letters, digits, '-', '_' and '.'", node.Value), "")
	}
}

func (d *document) checkVariables() {
	variables := child(d.root, "variables")
	if variables == nil || variables.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(variables.Content); i += 2 {
		key, value := variables.Content[i], variables.Content[i+1]
		path := join("variables", key.Value)
		if !variableName.MatchString(key.Value) {
			d.report(key, path, "want a name of letters, digits and '_'", "")
		}
		if !isPlain(value) {
			d.mistyped(value, path, "a string, number or boolean", "")
		}
	}
}

// keyOf is a mapping's key of that name, nil when there is none.
func keyOf(node *yaml.Node, name string) *yaml.Node {
	if node == nil || node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i]
		}
	}
	return nil
}

// child is a mapping's value for a key, nil when there is none.
func child(node *yaml.Node, key string) *yaml.Node {
	if node == nil || node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}

func (v Variable) yamlTag() string { return cmp.Or(v.tag, "!!str") }

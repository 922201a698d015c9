package fleet

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/davit-project/davit/manifests/object"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/manifests/yaml"
)

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
func ParseConfig(file yaml.File) (Config, object.Diagnostics) {
	config := Config{Labels: map[string]string{}, Variables: map[string]Variable{}}
	documents, diagnostics := yaml.Parse(file)
	if len(diagnostics) > 0 || len(documents) == 0 {
		return config, diagnostics
	}
	d := documents[0]
	if len(documents) > 1 {
		documents[1].Report(documents[1].Root, "", "want one document", "")
		return config, documents[1].Diagnostics
	}
	if len(d.Diagnostics) == 0 {
		config.ExtendedResources = extendedResources(d, d.Read(reflect.TypeFor[configFile](), yaml.Dialect{}))
	}
	for _, path := range slices.Sorted(maps.Keys(d.Nodes)) {
		node := d.Nodes[path]
		if key, ok := strings.CutPrefix(path, "labels."); ok {
			checkLabel(d, path, key, node)
			config.Labels[key] = node.Value
		}
		// Whatever lies deeper than a variable has been refused with it.
		if name, ok := strings.CutPrefix(path, "variables."); ok && node.Kind == yaml.ScalarNode {
			config.Variables[name] = Variable{node.Value, node.Tag}
		}
	}
	checkVariables(d)
	config.Generations = number(d, "generations", 2, maxGenerations)
	config.GenerationsSize = size(d, "generationsSize")
	if node, ok := d.Nodes["drift"]; ok {
		config.ReportDrift = node.Value == "report"
	}
	if node, ok := d.Nodes["unsupportedKinds"]; ok {
		config.RefuseUnsupported = node.Value == "error"
	}
	config.Proxy = readProxy(d)
	config.PruneLimit = number(d, "pruneLimit", 1, 100)
	if _, ok := d.Nodes["minReadySeconds"]; ok {
		seconds := int32(number(d, "minReadySeconds", 0, maxReadySeconds))
		config.MinReadySeconds = &seconds
	}
	return config, d.Diagnostics
}

// size is a number of bytes of the configuration; 0 where it has none.
func size(d *yaml.Document, field string) int64 {
	node, ok := d.Nodes[field]
	if !ok || len(d.Diagnostics) > 0 {
		return 0
	}
	size, err := resource.ParseQuantity(node.Value)
	if err != nil || size.Value() < 1 {
		d.Report(node, field, fmt.Sprintf("%q: want a number of bytes, such as 5Gi", node.Value), "")
		return 0
	}
	return size.Value()
}

// number is a number of the configuration within bounds; 0 where it has none.
func number(d *yaml.Document, field string, least, most int) int {
	node, ok := d.Nodes[field]
	if !ok || len(d.Diagnostics) > 0 {
		return 0
	}
	number, err := strconv.Atoi(node.Value)
	if err != nil || number < least || number > most {
		d.Report(node, field, fmt.Sprintf("%s: want %d to %d", node.Value, least, most), "")
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

func checkLabel(d *yaml.Document, path, key string, node *yaml.Node) {
	switch {
	case strings.HasPrefix(key, factPrefix):
		d.Report(node, path, "labels of "+factPrefix+" are facts that davit finds itself", "leave it out")
	case len(validation.IsQualifiedName(key)) > 0:
		d.Report(node, path, fmt.Sprintf("%q is not a label: want NAME or example.com/NAME", key), "")
	case len(validation.IsValidLabelValue(node.Value)) > 0:
		d.Report(node, path, fmt.Sprintf("%q is not a label's value: want at most 63 letters, digits, '-', '_' and '.'", node.Value), "")
	}
}

func checkVariables(d *yaml.Document) {
	variables := yaml.ValueOf(d.Root, "variables")
	if variables == nil || variables.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(variables.Content); i += 2 {
		key, value := variables.Content[i], variables.Content[i+1]
		path := object.Join("variables", key.Value)
		if !variableName.MatchString(key.Value) {
			d.Report(key, path, "want a name of letters, digits and '_'", "")
		}
		if !yaml.IsPlain(value) {
			d.Mistyped(value, path, "a string, number or boolean", "")
		}
	}
}

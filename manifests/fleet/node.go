package fleet

import (
	"cmp"
	"maps"
	"strings"

	"github.com/davit-project/davit/manifests/yaml"
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
	if scalar, ok := yaml.ParseScalar(text); ok && scalar.Tag != "!!str" {
		return Variable{scalar.Value, scalar.Tag}
	}
	return Variable{Text: strings.Trim(text, `"`)}
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

func (v Variable) yamlTag() string { return cmp.Or(v.tag, "!!str") }

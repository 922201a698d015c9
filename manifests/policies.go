package manifests

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/manifests/policy"
)

// NodePolicy is a node's policy, and where it says what it says.
type NodePolicy struct {
	*policy.Policy
	// Reason says why there is a preset alone and no file.
	Reason string

	lines map[string]object.Position // by field of the policy
}

// PresetPolicy is a preset alone; reason says why it holds.
func PresetPolicy(preset policy.Preset, reason string) *NodePolicy {
	return &NodePolicy{Policy: policy.Of(preset), Reason: reason}
}

// ParsePolicy reads a node's policy, as strictly as a manifest. A policy that is wrong, or says
// nothing, is an error: it must not come to mean that everything is allowed.
func ParsePolicy(file File) (*NodePolicy, object.Diagnostics) {
	documents, diagnostics := parse(file)
	if len(diagnostics) > 0 {
		return nil, diagnostics
	}
	if len(documents) != 1 {
		return nil, object.Diagnostics{{Position: object.Position{File: file.Path, Line: 1, Column: 1}, Message: fmt.Sprintf("want one document, got %d", len(documents))}}
	}
	d := documents[0]
	parsed := &policy.Policy{}
	if len(d.diagnostics) == 0 {
		d.decodeInto(parsed)
		d.checkPolicyFile(parsed)
	}
	lines := map[string]object.Position{}
	for field, node := range d.nodes {
		lines[field] = d.position(node)
	}
	return &NodePolicy{Policy: parsed, lines: lines}, d.diagnostics
}

// decodeInto decodes the document into a value that is no object.
func (d *document) decodeInto(into any) {
	tree := d.value(d.root, reflect.TypeOf(into).Elem(), "")
	if len(d.diagnostics) > 0 {
		return
	}
	text, err := json.Marshal(tree)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		d.report(d.root, "", err.Error(), "")
	}
}

func (d *document) checkPolicyFile(p *policy.Policy) {
	for i, host := range p.HostPaths {
		field := fmt.Sprintf("hostPaths[%d].path", i)
		d.absolute(field, host.Path)
		if slices.ContainsFunc(p.HostPaths[:i], func(other policy.HostPath) bool { return other.Path == host.Path }) {
			d.errorf(field, "%s appears twice", host.Path)
		}
	}
	for i, ids := range p.HostIDs {
		if ids.Min < 0 || ids.Max < ids.Min || ids.Max >= 1<<32-1 {
			d.errorf(fmt.Sprintf("hostIDs[%d]", i), "want min at most max, from 0 to 4294967294")
		}
	}
	for i, ports := range p.HostPorts {
		if ports.Min < 1 || ports.Max < ports.Min || ports.Max > 65535 {
			d.errorf(fmt.Sprintf("hostPorts[%d]", i), "want min at most max, from 1 to 65535")
		}
	}
	for i, subnet := range p.Subnets {
		if prefix, err := netip.ParsePrefix(subnet); err != nil || prefix.Masked() != prefix {
			d.errorf(fmt.Sprintf("subnets[%d]", i), "%q: want a prefix such as 10.20.0.0/16", subnet)
		}
	}
	for i, name := range p.Runtimes {
		d.checkRuntime(fmt.Sprintf("runtimes[%d]", i), name)
	}
	for i, name := range p.Devices {
		if kind, isKind := strings.CutSuffix(name, "*"); !isKind || kind == "" {
			d.checkCDIName(fmt.Sprintf("devices[%d]", i), name)
		}
	}
	for i, name := range p.Capabilities {
		d.checkCapability(fmt.Sprintf("capabilities[%d]", i), name)
	}
}

// where says which line of the policy decided.
func (p *NodePolicy) where(rule string) string {
	if p.lines == nil {
		return p.Reason
	}
	for _, field := range []string{rule, "preset"} {
		if at, ok := p.lines[field]; ok {
			return fmt.Sprintf("%s of %s", field, at)
		}
	}
	return p.lines[""].String()
}

// checkPolicy refuses what the node's policy does not allow.
func checkPolicy(documents []*document, nodePolicy *NodePolicy) {
	if nodePolicy == nil {
		return
	}
	units := map[string]bool{}
	for _, d := range documents {
		for unit, field := range d.units() {
			// An alias can be refused, and must not make a unit of the system davit's.
			units[unit+".service"] = !strings.HasSuffix(field, ".install.Alias")
		}
	}
	for _, d := range documents {
		for _, violation := range nodePolicy.Check(d.object, func(unit string) bool { return units[unit] }) {
			d.errorHint(violation.Path, nodePolicy.where(violation.Rule), "refused by policy %s: %s", nodePolicy.Preset, violation.Message)
			d.diagnostics[len(d.diagnostics)-1].Denied = true
		}
	}
}

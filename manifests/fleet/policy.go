package fleet

import (
	"fmt"
	"strings"

	"github.com/davit-project/davit/manifests/check"
	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/manifests/policy"
	"github.com/davit-project/davit/manifests/yaml"
)

// Policy is a node's policy, and where it says what it says.
type Policy struct {
	*policy.Policy
	// Reason says why there is a preset alone and no file.
	Reason string

	lines map[string]object.Position // by field of the policy
}

// PresetPolicy is a preset alone; reason says why it holds.
func PresetPolicy(preset policy.Preset, reason string) *Policy {
	return &Policy{Policy: policy.Of(preset), Reason: reason}
}

// ParsePolicy reads a node's policy, as strictly as a manifest. A policy that is wrong, or says
// nothing, is an error: it must not come to mean that everything is allowed.
func ParsePolicy(file yaml.File) (*Policy, object.Diagnostics) {
	documents, diagnostics := yaml.Parse(file)
	if len(diagnostics) > 0 {
		return nil, diagnostics
	}
	if len(documents) != 1 {
		return nil, object.Diagnostics{{Position: object.Position{File: file.Path, Line: 1, Column: 1}, Message: fmt.Sprintf("want one document, got %d", len(documents))}}
	}
	d := documents[0]
	parsed := &policy.Policy{}
	if len(d.Diagnostics) == 0 {
		d.Decode(parsed)
		report(d, func(s *check.Subject) { check.PolicyFile(s, parsed) })
	}
	lines := map[string]object.Position{}
	for field, node := range d.Nodes {
		lines[field] = d.Position(node)
	}
	return &Policy{Policy: parsed, lines: lines}, d.Diagnostics
}

// where says which line of the policy decided.
func (p *Policy) where(rule string) string {
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

// Check refuses the requests of objects that the policy does not allow. A nil policy allows everything.
func (p *Policy) Check(subjects []*check.Subject) {
	if p == nil {
		return
	}
	units := map[string]bool{}
	for _, s := range subjects {
		for unit, field := range check.Units(s.Object) {
			// An alias can be refused, and must not make a unit of the system davit's.
			units[unit+".service"] = !strings.HasSuffix(field, ".install.Alias")
		}
	}
	for _, s := range subjects {
		for _, violation := range p.Policy.Check(s.Object, func(unit string) bool { return units[unit] }) {
			s.Found = append(s.Found, object.Diagnostic{
				Path: violation.Path, Hint: p.where(violation.Rule), Denied: true,
				Message: fmt.Sprintf("refused by policy %s: %s", p.Preset, violation.Message),
			})
		}
	}
}

// report checks a file of a node that is no object, and reports what is found.
func report(d *yaml.Document, checked func(*check.Subject)) {
	s := &check.Subject{}
	checked(s)
	for _, found := range s.Found {
		d.Add(found)
	}
}

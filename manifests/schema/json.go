package schema

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"

	"github.com/davit-project/davit/manifests/convert/kube"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// node is a JSON Schema, or a part of one.
type node map[string]any

// JSON returns the JSON Schema of a manifest. It is of draft 7, the newest that
// yaml-language-server, which most editors use, understands.
func JSON() []byte {
	w := writer{definitions: node{}}
	each := []node{versionKinds(v1.APIVersion, kindNames())}
	versions := []string{v1.APIVersion}
	for _, kind := range Kinds() {
		each = append(each, node{
			"if":   constants(node{"apiVersion": v1.APIVersion, "kind": kind.Name}),
			"then": w.reference(kind),
		})
	}
	// Kubernetes' kinds are checked by their own schemas, and by davit validate.
	for _, version := range kube.APIVersions() {
		kinds := append(kube.Kinds(version), "List")
		if version == "v1" {
			kinds = append(kinds, kube.ClusterKinds("")...)
		}
		versions = append(versions, version)
		each = append(each, versionKinds(version, kinds))
	}
	taken := []node{{"enum": versions}}
	for _, group := range kube.ClusterGroups() { // each in any version
		if group != "" {
			pattern := "^" + regexp.QuoteMeta(group) + "/v"
			taken = append(taken, node{"pattern": pattern})
			each = append(each, node{
				"if":   node{"properties": node{"apiVersion": node{"pattern": pattern}}, "required": []string{"apiVersion"}},
				"then": node{"properties": node{"kind": node{"enum": kube.ClusterKinds(group)}}},
			})
		}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", " ")
	encoder.SetEscapeHTML(false)
	// Maps of strings and slices cannot fail.
	_ = encoder.Encode(node{
		"$schema":  "http://json-schema.org/draft-07/schema#",
		"title":    "davit manifest",
		"type":     "object",
		"required": []string{"apiVersion", "kind"},
		"properties": node{
			"apiVersion": node{"anyOf": taken},
			"kind":       node{"type": "string"},
		},
		// A condition for each kind, not oneOf: editors then show the errors of the kind that
		// is meant, not those of all.
		"allOf":       each,
		"definitions": w.definitions,
	})
	return text.Bytes()
}

// versionKinds limits kind to those of an apiVersion.
func versionKinds(version string, kinds []string) node {
	return node{
		"if":   constants(node{"apiVersion": version}),
		"then": node{"properties": node{"kind": node{"enum": kinds}}},
	}
}

// constants is the condition that properties have values.
func constants(values node) node {
	properties, required := node{}, slices.Sorted(maps.Keys(values))
	for name, value := range values {
		properties[name] = node{"const": value}
	}
	return node{"properties": properties, "required": required}
}

// writer turns types into JSON Schemas; each object is one definition.
type writer struct {
	definitions node
}

func (w *writer) reference(object *Type) node {
	if _, there := w.definitions[object.Name]; !there {
		definition := node{}
		w.definitions[object.Name] = definition
		w.object(definition, object)
	}
	return node{"$ref": "#/definitions/" + object.Name}
}

func (w *writer) object(into node, object *Type) {
	properties := node{}
	var required []string
	for _, field := range object.Fields {
		properties[field.Name] = w.field(field)
		if field.Required {
			required = append(required, field.Name)
		}
	}
	into["type"], into["description"] = "object", object.Doc
	into["properties"], into["additionalProperties"] = properties, false
	if required != nil {
		into["required"] = required
	}
}

// field adds to its type what the field says itself. Validators pass over what is beside
// $ref in draft 7; editors show it.
func (w *writer) field(field Field) node {
	of := w.value(field.Type)
	of["description"] = field.Doc
	switch {
	case len(field.Enum) == 1:
		of["enum"] = field.Enum
	case field.Enum != nil:
		of["anyOf"] = []node{{"enum": field.Enum}, {"pattern": variable}}
	case field.Pattern != "":
		of["pattern"] = field.Pattern + "|" + variable
	}
	return of
}

// variable is in a value that a node's variable is put into; what it will be is not known.
const variable = `\$\{[A-Za-z_][A-Za-z0-9_.-]*\}`

// scalars are the types in which numbers stand for text and text for numbers. 0644 is 420 to
// some readers of YAML and 644 to others, so a mode has no upper bound.
var scalars = map[Form]node{
	Quantity: {"type": []string{"string", "number"}, "pattern": `^[0-9]*\.?[0-9]+([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$|` + variable},
	Port:     {"type": []string{"string", "integer"}},
	FileMode: {"type": []string{"string", "integer"}, "pattern": `^(0o)?[0-7]+$|` + variable, "minimum": 0},
}

func (w *writer) value(of *Type) node {
	switch of.Form {
	case Object:
		return w.reference(of)
	case Map:
		return node{"type": "object", "additionalProperties": w.value(of.Item)}
	case List:
		return node{"type": "array", "items": w.value(of.Item)}
	case Quantity, Port, FileMode:
		definition := node{"description": of.Doc}
		for key, value := range scalars[of.Form] {
			definition[key] = value
		}
		w.definitions[of.Name] = definition
		return node{"$ref": "#/definitions/" + of.Name}
	case Values:
		scalar := node{"type": []string{"string", "number", "boolean"}}
		return node{"anyOf": []node{scalar, {"type": "array", "items": scalar, "minItems": 1}}}
	case Base64:
		return node{"type": "string", "contentEncoding": "base64"}
	case Any:
		return node{}
	case Integer, Boolean:
		// A variable of the node stands for a number or boolean as a plain scalar.
		w.definitions["Variable"] = node{"type": "string", "pattern": "^" + variable + "$"}
		return node{"anyOf": []node{{"type": string(of.Form)}, {"$ref": "#/definitions/Variable"}}}
	default:
		return node{"type": string(of.Form)}
	}
}

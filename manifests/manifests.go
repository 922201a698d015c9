// Package manifests turns YAML into validated objects, and says where what is wrong is
// wrong.
//
// It is pure: files come in as text, objects and diagnostics come out. It must never know
// a node, a registry or systemd's state.
package manifests

import (
	"slices"

	"github.com/davit-project/davit/manifests/kustomize"
	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/manifests/policy"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// File is one manifest file.
type File struct {
	// Path is the file's name as people know it.
	Path string
	// Name is its path below the manifest directory, with slashes, which says to which nodes
	// it applies; a file without one applies to all.
	Name string
	// Text is its content.
	Text []byte
	// Readers says who beside root and its owner can read it, "everybody"; empty when nobody can, or that is not known.
	Readers string
}

// Set is what a set of files came to.
type Set struct {
	// Objects are the valid documents, sorted by kind and name.
	Objects []object.Object
	// LeftOut are those that are not meant for the node, sorted likewise.
	LeftOut []LeftOut
	// Waiting are those that have no error themselves, but need one that has, sorted likewise.
	Waiting []Waiting
	// HostPaths are the directories that the node's policy lets host paths come from; none means
	// any.
	HostPaths []policy.HostPath
	// HostPorts are the ports of the node that its policy lets containers publish; none means any.
	HostPorts []policy.PortRange
	// Diagnostics are all that is wrong in all files, sorted by place.
	Diagnostics object.Diagnostics
	// Warnings are what was left out of documents that are right, sorted likewise.
	Warnings object.Diagnostics
}

// Waiting is a valid document that stays out of a set because another one has an error.
type Waiting struct {
	object.Object
	// Needs is the object that has it.
	Needs v1.Ref
}

// Complete reports whether every document of every file became an object. Only then may
// what is missing from the set be taken for deleted.
func (s *Set) Complete() bool { return len(s.Diagnostics) == 0 }

// All are the diagnostics and the warnings, by place.
func (s *Set) All() object.Diagnostics { return slices.Concat(s.Diagnostics, s.Warnings).Sorted() }

// Options say what a set is loaded for.
type Options struct {
	// Node is the node that is to get the set. Without one every document is looked at, those
	// of overlays one overlay at a time, and none is left out for what a node lacks.
	Node *Node
	// Policy says what manifests may ask of the node; nil refuses nothing but what is always
	// refused.
	Policy *NodePolicy
	// RefuseUnsupported refuses the kinds that only a cluster has, where they are left out with a warning otherwise.
	RefuseUnsupported bool
	// ExtendedResources are the devices that a container gets for a resource such as nvidia.com/gpu, by its name: paths and names of CDI devices.
	ExtendedResources map[string][]string
	// Parser is that of the node's systemd; without one, davit's own table says which settings there are.
	Parser Parser
	// Rehearse returns which of the valid objects no node can run, and why; nil takes all of them.
	Rehearse func([]object.Object) []object.Refusal
}

// Load decodes and validates all files. It never stops at an error: one bad document
// costs that document, one file that is not YAML costs that file.
func Load(files []File, options Options) *Set {
	set := &Set{}
	readers := map[string]string{}
	for _, file := range files {
		readers[file.Path] = file.Readers
	}
	layers := set.parse(files, options.Node)
	for _, view := range layers.views(options.Node) {
		var s stack
		for _, l := range view {
			documents := make([]*document, 0, len(layers[l]))
			for _, d := range layers[l] {
				documents = append(documents, d.fresh())
			}
			s.add(l, documents)
		}
		set.LeftOut = append(set.LeftOut, s.deleted...)
		set.take(s.documents, readers, options)
	}
	set.sort()
	return set
}

// parse reads the files that concern a node, by layer. What is in the folders of other nodes
// cannot stop this one.
func (s *Set) parse(files []File, node *Node) layers {
	parsed := layers{}
	kustomized, files := splitKustomizations(files)
	for _, file := range files {
		l, err := layerOf(file.Name)
		if err != nil {
			s.Diagnostics = append(s.Diagnostics, object.Diagnostic{Position: object.Position{File: file.Path, Line: 1, Column: 1}, Message: err.Error()})
			continue
		}
		if node != nil && !l.appliesTo(node) {
			continue
		}
		documents, diagnostics := parse(file)
		s.Diagnostics = append(s.Diagnostics, diagnostics...)
		parsed[l] = append(parsed[l], documents...)
	}
	for _, name := range kustomize.Targets(kustomized.applying(node)) {
		l, err := layerOf(name)
		documents, diagnostics := kustomized.build(name)
		if err != nil {
			diagnostics = object.Diagnostics{{Position: object.Position{File: kustomized.paths[name], Line: 1, Column: 1}, Message: err.Error()}}
		}
		s.Diagnostics = append(s.Diagnostics, diagnostics...)
		parsed[l] = append(parsed[l], documents...)
	}
	return parsed
}

// take adds what documents come to together.
func (s *Set) take(documents []*document, readers map[string]string, options Options) {
	documents = decodeAll(documents, options)
	var here []*document
	for _, d := range documents {
		if d.object == nil {
			continue
		}
		if reason := d.leftOut(options.Node); reason != "" {
			d.limitSurge()
			d.takeExtended(Options{})
			d.validate()
			s.LeftOut = append(s.LeftOut, LeftOut{object.Object{Object: d.object, Source: d.position(d.root)}, reason})
			continue
		}
		here = append(here, d)
	}
	bindClaims(documents, here, options.Node)
	connectServices(documents, here, options.Node)
	for _, d := range here {
		d.takeExtended(options)
		d.validate()
	}
	checkPolicy(here, options.Policy)
	for _, d := range here {
		d.grantDevices()
	}
	checkReaders(here, readers, options.Policy)
	checkSettings(here, options.Parser)
	if options.Policy != nil {
		s.HostPaths, s.HostPorts = options.Policy.BoundedHostPaths(), options.Policy.HostPorts
	}
	checkReferences(here, documents)
	rehearse(here, options.Rehearse)
	for _, d := range documents {
		s.Diagnostics = append(s.Diagnostics, d.blame()...)
		s.Warnings = append(s.Warnings, d.warnings...)
	}
	for _, d := range here {
		switch {
		case len(d.diagnostics) > 0:
		case d.needs != v1.Ref{}:
			s.Waiting = append(s.Waiting, Waiting{object.Object{Object: d.object, Source: d.position(d.root)}, d.needs})
		default:
			s.Objects = append(s.Objects, object.Object{Object: d.object, Source: d.position(d.root)})
		}
	}
}

// decodeAll decodes documents; one of Kubernetes' may come to several.
func decodeAll(documents []*document, options Options) []*document {
	var decoded []*document
	for _, d := range documents {
		d.substitute(options.Node)
		d.decode(options.RefuseUnsupported)
		decoded = append(append(decoded, d), d.others...)
	}
	return decoded
}

// sort also takes out what several views say alike.
func (s *Set) sort() {
	s.Diagnostics, s.Warnings = s.Diagnostics.Sorted(), s.Warnings.Sorted()
	slices.SortStableFunc(s.Objects, object.Object.Compare)
	s.Objects = slices.CompactFunc(s.Objects, func(a, b object.Object) bool { return a.Compare(b) == 0 })
	slices.SortStableFunc(s.Waiting, func(a, b Waiting) int { return a.Object.Compare(b.Object) })
	slices.SortStableFunc(s.LeftOut, func(a, b LeftOut) int { return a.Object.Compare(b.Object) })
	s.LeftOut = slices.CompactFunc(s.LeftOut, func(a, b LeftOut) bool { return a.Object.Compare(b.Object) == 0 })
}

// Package manifests turns YAML into validated objects, and says where what is wrong is
// wrong.
//
// It is pure: files come in as text, objects and diagnostics come out. It must never know
// a node, a registry or systemd's state.
package manifests

import (
	"maps"
	"slices"

	"github.com/davit-project/davit/manifests/check"
	"github.com/davit-project/davit/manifests/convert"
	"github.com/davit-project/davit/manifests/fleet"
	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/manifests/policy"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/manifests/yaml"
)

// File is one manifest file.
type File = yaml.File

// Set is what a set of files came to.
type Set struct {
	// Objects are the valid documents, sorted by kind and name.
	Objects []object.Object
	// LeftOut are those that are not meant for the node, sorted likewise.
	LeftOut []fleet.LeftOut
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
	Node *fleet.Node
	// Policy says what manifests may ask of the node; nil refuses nothing but what is always
	// refused.
	Policy *fleet.Policy
	// RefuseUnsupported refuses the kinds that only a cluster has, where they are left out with a warning otherwise.
	RefuseUnsupported bool
	// ExtendedResources are the devices that a container gets for a resource such as nvidia.com/gpu, by its name: paths and names of CDI devices.
	ExtendedResources map[string][]string
	// Parser is that of the node's systemd; without one, davit's own table says which settings there are.
	Parser check.Parser
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
	views, diagnostics := fleet.Views(files, options.Node)
	set.Diagnostics = diagnostics
	for _, view := range views {
		set.LeftOut = append(set.LeftOut, view.Deleted...)
		set.take(view.Documents, readers, options)
	}
	set.sort()
	return set
}

// take adds the objects of documents that a node gets together.
func (s *Set) take(parsed []*yaml.Document, readers map[string]string, options Options) {
	for _, d := range parsed {
		fleet.Substitute(d, options.Node)
	}
	documents := convert.Documents(parsed, options.RefuseUnsupported)
	here := s.meant(documents, options.Node)
	applies := func(meta v1.ObjectMeta) bool { return fleet.Excluded(meta, options.Node) == "" }
	convert.BindClaims(documents, here, applies)
	convert.ConnectServices(documents, here, applies)
	judge(documents, here, readers, options)
	if options.Policy != nil {
		s.HostPaths, s.HostPorts = options.Policy.BoundedHostPaths(), options.Policy.HostPorts
	}
	for _, d := range documents {
		s.Diagnostics = append(s.Diagnostics, d.Blamed()...)
		s.Warnings = append(s.Warnings, d.Warnings...)
	}
	for _, d := range here {
		switch {
		case len(d.Diagnostics) > 0:
		case d.Needs != v1.Ref{}:
			s.Waiting = append(s.Waiting, Waiting{d.Placed(), d.Needs})
		default:
			s.Objects = append(s.Objects, d.Placed())
		}
	}
}

// meant returns the documents whose objects are meant for the node, and checks the others by themselves: they are left out.
func (s *Set) meant(documents []*convert.Document, node *fleet.Node) []*convert.Document {
	var here []*convert.Document
	for _, d := range documents {
		if d.Object == nil {
			continue
		}
		meta := d.Object.Meta()
		d.Elsewhere = node == nil && len(meta.NodeSelector) > 0
		reason := fleet.Excluded(meta, node)
		if reason == "" {
			here = append(here, d)
			continue
		}
		d.LimitSurge()
		fleet.TakeExtended(&d.Subject, nil, nil)
		check.Object(&d.Subject, maps.Keys(d.Nodes))
		d.Settle()
		s.LeftOut = append(s.LeftOut, fleet.LeftOut{Object: d.Placed(), Reason: reason})
	}
	return here
}

// judge checks the objects that a node gets: each by itself, what the node permits, and all together.
func judge(documents, here []*convert.Document, readers map[string]string, options Options) {
	subjects := make([]*check.Subject, 0, len(here))
	var grants []fleet.Grant
	for _, d := range here {
		subjects = append(subjects, &d.Subject)
		grants = append(grants, fleet.TakeExtended(&d.Subject, options.ExtendedResources, options.Node)...)
		check.Object(&d.Subject, maps.Keys(d.Nodes))
	}
	options.Policy.Check(subjects)
	for _, grant := range grants {
		grant.Give()
	}
	for _, d := range here {
		fleet.CheckReaders(d.Document, &d.Subject, readers, options.Policy)
	}
	settle(here)
	check.Settings(subjects, options.Parser)
	check.Duplicates(subjects)
	settle(here)
	check.Together(subjects, convert.Broken(documents))
	settle(here)
	rehearse(here, options.Rehearse)
	settle(here)
}

// settle reports what checks have found.
func settle(documents []*convert.Document) {
	for _, d := range documents {
		d.Settle()
	}
}

// sort also takes out what several views say alike.
func (s *Set) sort() {
	s.Diagnostics, s.Warnings = s.Diagnostics.Sorted(), s.Warnings.Sorted()
	slices.SortStableFunc(s.Objects, object.Object.Compare)
	s.Objects = slices.CompactFunc(s.Objects, func(a, b object.Object) bool { return a.Compare(b) == 0 })
	slices.SortStableFunc(s.Waiting, func(a, b Waiting) int { return a.Object.Compare(b.Object) })
	slices.SortStableFunc(s.LeftOut, func(a, b fleet.LeftOut) int { return a.Object.Compare(b.Object) })
	s.LeftOut = slices.CompactFunc(s.LeftOut, func(a, b fleet.LeftOut) bool { return a.Object.Compare(b.Object) == 0 })
}

// Package manifests turns YAML into validated objects, and says where what is wrong is
// wrong.
//
// It is pure: files come in as text, objects and diagnostics come out. It must never know
// a node, a registry or systemd's state.
package manifests

import (
	"slices"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// File is one manifest file.
type File struct {
	// Path is the file's name as people know it.
	Path string
	// Text is its content.
	Text []byte
}

// Object is one valid document.
type Object struct {
	v1.Object
	// Source is where the document begins.
	Source Position
}

// Set is what a set of files came to.
type Set struct {
	// Objects are the valid documents, sorted by kind and name.
	Objects []Object
	// Diagnostics are all that is wrong in all files, sorted by place.
	Diagnostics Diagnostics
}

// Complete reports whether every document of every file became an object. Only then may
// what is missing from the set be taken for deleted.
func (s *Set) Complete() bool { return len(s.Diagnostics) == 0 }

// Options say what a set is loaded for.
type Options struct{}

// Load decodes and validates all files. It never stops at an error: one bad document
// costs that document, one file that is not YAML costs that file.
func Load(files []File, options Options) *Set {
	set := &Set{}
	var documents []*document
	for _, file := range files {
		parsed, diagnostics := parse(file)
		set.Diagnostics = append(set.Diagnostics, diagnostics...)
		documents = append(documents, parsed...)
	}
	for _, d := range documents {
		d.decode()
		if d.object != nil {
			d.validate()
		}
	}
	checkReferences(documents)
	for _, d := range documents {
		set.Diagnostics = append(set.Diagnostics, d.diagnostics...)
		if d.object != nil && len(d.diagnostics) == 0 && !d.held {
			set.Objects = append(set.Objects, Object{d.object, d.position(d.root)})
		}
	}
	set.sort()
	return set
}

func (s *Set) sort() {
	slices.SortStableFunc(s.Diagnostics, func(a, b Diagnostic) int { return a.Position.compare(b.Position) })
	slices.SortFunc(s.Objects, func(a, b Object) int {
		return compareRefs(a.Ref(), b.Ref())
	})
}

// Package kustomize builds kustomizations from files in memory.
//
// It is pure: no disk, no network, no program is reached from here. kustomize's library would
// clone repositories, load URLs and run plugins where a kustomization asks for it, so all that
// leads outside is refused before the library sees it.
package kustomize

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Files are all files that kustomizations may use, by their slash-separated path.
type Files map[string][]byte

// Document is one object that a kustomization came to.
type Document struct {
	// Text is the object as YAML.
	Text []byte
	// Origin is the file it was in; for what was generated, the kustomization.
	Origin string
}

// Problem is what is wrong with a kustomization, at its place; lines and columns count from 1.
type Problem struct {
	File         string
	Line, Column int
	Message      string
	Hint         string
}

// Error returns what is wrong without the place.
func (p *Problem) Error() string { return p.Message }

// Names are the names that a kustomization's file may have.
func Names() []string { return konfig.RecognizedKustomizationFileNames() }

// IsKustomization reports whether a file of this name makes its folder one for kustomize.
func IsKustomization(name string) bool {
	return slices.Contains(Names(), path.Base(name))
}

// Targets are the kustomizations among files that are built for themselves: components and
// those that another one of them uses are not.
func Targets(files Files) []string {
	used := map[string]bool{}
	var targets []string
	for name, text := range files {
		if !IsKustomization(name) {
			continue
		}
		k, err := decode(text)
		if err != nil {
			targets = append(targets, name) // building it tells what is wrong
			continue
		}
		for _, folder := range slices.Concat(k.Resources, k.Components) {
			used[path.Join(path.Dir(name), folder)] = true
		}
		if k.Kind != types.ComponentKind {
			targets = append(targets, name)
		}
	}
	targets = slices.DeleteFunc(targets, func(name string) bool { return used[path.Dir(name)] })
	slices.Sort(targets)
	return targets
}

func decode(text []byte) (*types.Kustomization, error) {
	var k types.Kustomization
	if err := k.Unmarshal(text); err != nil {
		return nil, err
	}
	// An empty one is what a file that is only half written looks like.
	if err := k.CheckEmpty(); err != nil {
		return nil, err
	}
	k.FixKustomization()
	return &k, nil
}

// Build returns what the kustomization of a name comes to.
func Build(files Files, name string) ([]Document, *Problem) {
	c := checker{files, map[string]int{}}
	if problem := c.check(name); problem != nil {
		return nil, problem
	}
	tracked, keep, err := withOrigins(files[name])
	if err != nil {
		return nil, &Problem{File: name, Line: 1, Column: 1, Message: err.Error()}
	}
	documents, err := build(files, name, tracked, keep)
	if err != nil {
		return nil, &Problem{File: name, Line: 1, Column: 1, Message: oneLine(err)}
	}
	return documents, nil
}

// withOrigins adds that the library notes where each object is from; keep says that the
// kustomization wanted that by itself.
func withOrigins(text []byte) (tracked []byte, keep bool, err error) {
	var k types.Kustomization
	if err := k.Unmarshal(text); err != nil {
		return nil, false, err
	}
	if slices.Contains(k.BuildMetadata, types.OriginAnnotations) {
		return text, true, nil
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, false, err
	}
	fields := map[string]any{}
	if err := root.Decode(&fields); err != nil {
		return nil, false, err
	}
	fields["buildMetadata"] = append(k.BuildMetadata, types.OriginAnnotations)
	tracked, err = yaml.Marshal(fields)
	return tracked, false, err
}

// build runs the library, whose panics become errors: no file may end the agent.
func build(files Files, name string, tracked []byte, keepOrigins bool) (documents []Document, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("kustomize cannot build this: %v", cause)
		}
	}()
	memory := filesys.MakeFsInMemory()
	for _, file := range slices.Sorted(maps.Keys(files)) {
		text := files[file]
		if file == name {
			text = tracked
		}
		if err := memory.WriteFile("/"+file, text); err != nil {
			return nil, err
		}
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(memory, path.Join("/", path.Dir(name)))
	if err != nil {
		return nil, err
	}
	return collect(built, name, keepOrigins)
}

func collect(built resmap.ResMap, name string, keepOrigins bool) ([]Document, error) {
	var documents []Document
	for _, resource := range built.Resources() {
		document := Document{Origin: name}
		origin, err := resource.GetOrigin()
		if err != nil {
			return nil, err
		}
		if origin != nil && origin.Path != "" {
			document.Origin = path.Join(path.Dir(name), origin.Path)
		}
		documents = append(documents, document)
	}
	if !keepOrigins {
		if err := built.RemoveOriginAnnotations(); err != nil {
			return nil, err
		}
	}
	for i, resource := range built.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			return nil, err
		}
		documents[i].Text = text
	}
	return documents, nil
}

// oneLine keeps an error of the library to the line that a diagnostic is.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

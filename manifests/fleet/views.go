// Package fleet picks the part of a manifest directory that a node gets: folders of nodes and of labels, overlays, kustomizations,
// variables, selectors. It reads the files that describe a node: its configuration and its policy.
//
// It takes files and returns documents. It must never know what kinds of objects mean.
package fleet

import (
	"github.com/davit-project/davit/manifests/fleet/kustomize"
	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/manifests/yaml"
)

// View is the documents that one node gets, with overlays merged.
type View struct {
	Documents []*yaml.Document
	// Deleted are those that an overlay took out.
	Deleted []LeftOut
}

// Views are the sets of documents that a directory makes: for a node the one that it gets; for no node in particular the files for all
// nodes, alone and under each overlay. The diagnostics are of files that cannot be read.
func Views(files []yaml.File, node *Node) ([]View, object.Diagnostics) {
	parsed, diagnostics := parse(files, node)
	var views []View
	for _, view := range parsed.views(node) {
		var s stack
		for _, l := range view {
			documents := make([]*yaml.Document, 0, len(parsed[l]))
			for _, d := range parsed[l] {
				documents = append(documents, d.Fresh())
			}
			s.add(l, documents)
		}
		views = append(views, View{s.documents, s.deleted})
	}
	return views, diagnostics
}

// parse reads the files that concern a node, by layer. The folders of other nodes cannot stop
// this one.
func parse(files []yaml.File, node *Node) (layers, object.Diagnostics) {
	var all object.Diagnostics
	parsed := layers{}
	kustomized, files := splitKustomizations(files)
	for _, file := range files {
		l, err := layerOf(file.Name)
		if err != nil {
			all = append(all, object.Diagnostic{Position: object.Position{File: file.Path, Line: 1, Column: 1}, Message: err.Error()})
			continue
		}
		if node != nil && !l.appliesTo(node) {
			continue
		}
		documents, diagnostics := yaml.Parse(file)
		all = append(all, diagnostics...)
		parsed[l] = append(parsed[l], documents...)
	}
	for _, name := range kustomize.Targets(kustomized.applying(node)) {
		l, err := layerOf(name)
		documents, diagnostics := kustomized.build(name)
		if err != nil {
			diagnostics = object.Diagnostics{{Position: object.Position{File: kustomized.paths[name], Line: 1, Column: 1}, Message: err.Error()}}
		}
		all = append(all, diagnostics...)
		parsed[l] = append(parsed[l], documents...)
	}
	return parsed, all
}

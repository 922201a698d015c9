package fleet

import (
	"path"
	"slices"
	"strings"

	"github.com/davit-project/davit/manifests/fleet/kustomize"
	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/manifests/yaml"
)

// KustomizationNames are the file names that make a folder, and all below it, one that is
// built with kustomize: its files are no manifests by themselves, and of any name.
func KustomizationNames() []string { return kustomize.Names() }

// kustomizations are the files of such folders.
type kustomizations struct {
	files kustomize.Files
	paths map[string]string // as people know them
}

// splitKustomizations takes the files of kustomizations away from the others.
func splitKustomizations(files []yaml.File) (kustomizations, []yaml.File) {
	k := kustomizations{kustomize.Files{}, map[string]string{}}
	folders := map[string]bool{}
	for _, file := range files {
		if file.Name != "" && kustomize.IsKustomization(file.Name) {
			folders[path.Dir(file.Name)] = true
		}
	}
	var rest []yaml.File
	for _, file := range files {
		if file.Name == "" || !within(folders, path.Dir(file.Name)) {
			rest = append(rest, file)
			continue
		}
		k.files[file.Name] = file.Text
		k.paths[file.Name] = file.Path
	}
	return k, rest
}

func within(folders map[string]bool, dir string) bool {
	for ; !folders[dir]; dir = path.Dir(dir) {
		if dir == "." || dir == "/" {
			return false
		}
	}
	return true
}

// applying are those of the layers that apply to a node. Only they may be built: what one of
// them uses is not built for itself, but what only another node's overlay uses is.
func (k kustomizations) applying(node *Node) kustomize.Files {
	if node == nil {
		return k.files
	}
	files := kustomize.Files{}
	for name, text := range k.files {
		if l, err := layerOf(name); err != nil || l.appliesTo(node) {
			files[name] = text
		}
	}
	return files
}

// build returns what a kustomization comes to, each document at the place it is from.
func (k kustomizations) build(name string) ([]*yaml.Document, object.Diagnostics) {
	built, problem := kustomize.Build(k.files, name)
	if problem != nil {
		at := object.Position{File: k.paths[problem.File], Line: problem.Line, Column: problem.Column}
		return nil, object.Diagnostics{{Position: at, Message: problem.Message, Hint: problem.Hint}}
	}
	var documents []*yaml.Document
	var diagnostics object.Diagnostics
	for _, each := range built {
		origin := k.paths[each.Origin]
		parsed, wrong := yaml.Parse(yaml.File{Path: origin, Text: each.Text})
		diagnostics = append(diagnostics, wrong...)
		for _, d := range parsed {
			settle(d, d.Root, k.source(each.Origin, d), 1, 1)
			documents = append(documents, d)
		}
	}
	return documents, diagnostics
}

// source finds the document of a file that a built one comes from. Its name may have been
// given a prefix and a suffix.
func (k kustomizations) source(file string, built *yaml.Document) *yaml.Node {
	if kustomize.IsKustomization(file) {
		return nil
	}
	candidates, _ := yaml.Parse(yaml.File{Text: k.files[file]})
	want := identityOf(built)
	candidates = slices.DeleteFunc(candidates, func(d *yaml.Document) bool {
		id := identityOf(d)
		return id.apiVersion != want.apiVersion || id.kind != want.kind || !strings.Contains(want.name, id.name)
	})
	if len(candidates) != 1 {
		return nil
	}
	return candidates[0].Root
}

// settle gives built nodes the places of what they come from, and those that come from
// nowhere the place of what is around them.
func settle(d *yaml.Document, node, from *yaml.Node, line, column int) {
	if from != nil {
		line, column = from.Line, from.Column
	}
	node.Line, node.Column = line, column
	for i, content := range node.Content {
		var source *yaml.Node
		switch {
		case from == nil || from.Kind != node.Kind:
		case node.Kind == yaml.SequenceNode && i < len(from.Content):
			source = from.Content[i]
		case node.Kind == yaml.MappingNode && i%2 == 0:
			source = yaml.KeyOf(from, content.Value)
		case node.Kind == yaml.MappingNode:
			source = yaml.ValueOf(from, node.Content[i-1].Value)
		}
		settle(d, content, source, line, column)
	}
}

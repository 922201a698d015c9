package kustomize

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"sigs.k8s.io/kustomize/api/types"
)

// maxDocuments bounds what one kustomization may come to: a few that use each other twice
// double with each step.
const maxDocuments = 10_000

// JSON patches that copy a value into itself double with each step too; the library that applies
// them has a bound, which is off unless it is set. It is for all of the program, which applies
// JSON patches nowhere else.
func init() { jsonpatch.AccumulatedCopySizeLimit = maxCopied }

const maxCopied = 1 << 20

// checker refuses what a kustomization, and those it uses, would get from outside the files.
// It reads them with the library's own types, so that both see the same.
type checker struct {
	files Files
	// documents is how many each checked kustomization comes to; one that is being checked
	// has 0, and the library reports such cycles.
	documents map[string]int
}

func (c *checker) check(name string) *Problem {
	if _, seen := c.documents[name]; seen {
		return nil
	}
	c.documents[name] = 0
	files, text := c.files, c.files[name]
	k, err := decode(text)
	if err != nil {
		return &Problem{File: name, Line: 1, Column: 1, Message: oneLine(err)}
	}
	if field := refusedField(k); field != "" {
		return at(name, text, field, field+" is not supported: davit runs no plugins and no helm", "commit its output")
	}
	for _, reference := range references(k) {
		if isRemote(reference) {
			return at(name, text, reference, fmt.Sprintf("%q is not in the repository, and davit fetches nothing", reference), "commit a copy")
		}
	}
	if problem := c.checkAliases(name, k); problem != nil {
		return problem
	}
	count := len(k.ConfigMapGenerator) + len(k.SecretGenerator)
	for _, reference := range slices.Concat(k.Resources, k.Components) {
		target := path.Join(path.Dir(name), reference)
		used := kustomizationIn(files, target)
		resource, isFile := files[target]
		switch {
		case isFile:
			count += 1 + bytes.Count(resource, []byte("\n---"))
		case used == "":
			return at(name, text, reference, fmt.Sprintf("there is neither a file nor a kustomization %q", reference),
				"a kustomization is built from the files of folders with a kustomization.yaml")
		default:
			if problem := c.check(used); problem != nil {
				return problem
			}
			count += c.documents[used]
		}
	}
	if count > maxDocuments {
		return at(name, text, "", fmt.Sprintf("makes more than %d objects", maxDocuments), "")
	}
	c.documents[name] = count
	return nil
}

// checkAliases refuses YAML's aliases in all that the library reads as YAML: it writes them out
// without a bound, and a few lines would take all memory.
func (c *checker) checkAliases(name string, k *types.Kustomization) *Problem {
	// What stands for a patch may be one, or its file.
	for _, reference := range slices.Concat(documents(k), inlinePatches(k)) {
		file := path.Join(path.Dir(name), reference)
		if alias := findAlias(c.files[file]); alias != nil {
			return &Problem{
				File: file, Line: alias.Line, Column: alias.Column,
				Message: "anchors and aliases are not supported", Hint: "write the value out",
			}
		}
	}
	for _, patch := range inlinePatches(k) {
		if findAlias([]byte(patch)) != nil {
			return at(name, c.files[name], patch, "anchors and aliases are not supported", "write the value out")
		}
	}
	return nil
}

func findAlias(text []byte) *yaml.Node {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var root yaml.Node
		if err := decoder.Decode(&root); err != nil {
			return nil // the library tells what is wrong
		}
		if alias := first(&root, func(node *yaml.Node) bool { return node.Kind == yaml.AliasNode }); alias != nil {
			return alias
		}
	}
}

func kustomizationIn(files Files, folder string) string {
	for name := range files {
		if path.Dir(name) == folder && IsKustomization(name) {
			return name
		}
	}
	return ""
}

// refusedField names a field that runs programs, or takes more references than can be checked.
func refusedField(k *types.Kustomization) string {
	for _, field := range []struct {
		name string
		used bool
	}{
		{"helmCharts", len(k.HelmCharts) > 0}, {"helmGlobals", k.HelmGlobals != nil},
		{"generators", len(k.Generators) > 0}, {"transformers", len(k.Transformers) > 0}, {"validators", len(k.Validators) > 0},
	} {
		if field.used {
			return field.name
		}
	}
	return ""
}

// references are all paths of a kustomization.
func references(k *types.Kustomization) []string {
	all := slices.Concat(documents(k), k.Components)
	for _, generator := range k.ConfigMapGenerator {
		all = append(all, sources(generator.KvPairSources)...)
	}
	for _, generator := range k.SecretGenerator {
		all = append(all, sources(generator.KvPairSources)...)
	}
	return all
}

// documents are the paths of what is read as YAML.
func documents(k *types.Kustomization) []string {
	all := slices.Concat(k.Resources, k.Crds, k.Configurations)
	//lint:ignore SA1019 old kustomizations have it, and it is fetched as any other
	for _, patch := range slices.Concat(k.Patches, k.PatchesJson6902) {
		all = append(all, patch.Path)
	}
	//lint:ignore SA1019 as above
	for _, patch := range k.PatchesStrategicMerge {
		// A patch may stand here itself. Such a text has a colon, and begins as no path does.
		text := strings.ToLower(string(patch))
		if !strings.Contains(text, ":") || strings.HasPrefix(text, "/") || strings.HasPrefix(text, "http") {
			all = append(all, string(patch))
		}
	}
	for _, replacement := range k.Replacements {
		all = append(all, replacement.Path)
	}
	for _, file := range k.OpenAPI {
		all = append(all, file)
	}
	return all
}

// inlinePatches are patches that stand in the kustomization itself.
func inlinePatches(k *types.Kustomization) []string {
	var all []string
	//lint:ignore SA1019 old kustomizations have it
	for _, patch := range slices.Concat(k.Patches, k.PatchesJson6902) {
		all = append(all, patch.Patch)
	}
	//lint:ignore SA1019 as above
	for _, patch := range k.PatchesStrategicMerge {
		all = append(all, string(patch))
	}
	return all
}

func sources(pairs types.KvPairSources) []string {
	return slices.Concat(pairs.FileSources, pairs.EnvSources, []string{pairs.EnvSource})
}

// isRemote reports whether the library could take a reference for a URL or a repository: those
// have a scheme, a host with a user, a query, or are GitHub's (kustomize's repospec.go). An
// absolute path is none of the repository's either.
func isRemote(reference string) bool {
	return path.IsAbs(reference) || strings.ContainsAny(reference, ":@?") || strings.HasPrefix(strings.ToLower(reference), "github.com")
}

// at places a problem at the value or key that is the cause.
func at(name string, text []byte, value, message, hint string) *Problem {
	problem := &Problem{File: name, Line: 1, Column: 1, Message: message, Hint: hint}
	var root yaml.Node
	if yaml.Unmarshal(text, &root) == nil {
		if node := first(&root, func(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.Value == value }); node != nil {
			problem.Line, problem.Column = node.Line, node.Column
		}
	}
	return problem
}

// first is the first node below, or the node itself, that a condition holds for.
func first(node *yaml.Node, holds func(*yaml.Node) bool) *yaml.Node {
	if holds(node) {
		return node
	}
	for _, child := range node.Content {
		if found := first(child, holds); found != nil {
			return found
		}
	}
	return nil
}

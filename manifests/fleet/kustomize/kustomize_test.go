package kustomize

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const container = "apiVersion: davit/v1\nkind: Container\nmetadata:\n  name: web\nspec:\n  image: example.com/web:1\n"

func TestBuild(t *testing.T) {
	t.Parallel()
	files := Files{
		"base/kustomization.yaml":     []byte("resources: [web.yaml]\n"),
		"base/web.yaml":               []byte(container),
		"site/kustomization.yaml":     []byte("resources: [../base]\nnamePrefix: a-\nimages: [{name: example.com/web, newTag: '2'}]\nconfigMapGenerator: [{name: files, files: [index.html], envs: [web.env]}]\ngeneratorOptions: {disableNameSuffixHash: true}\npatches: [{path: patch.yaml}]\n"),
		"site/index.html":             []byte("<p>\n"),
		"site/web.env":                []byte("A=1\nHOME\n"),
		"site/patch.yaml":             []byte("apiVersion: davit/v1\nkind: Container\nmetadata: {name: web}\nspec: {hostname: b}\n"),
		"unrelated/kustomization.yml": []byte("resources: [https://example.com/x.yaml]\n"),
	}
	documents, problem := Build(files, "site/kustomization.yaml")
	if problem != nil {
		t.Fatal(problem)
	}
	var got strings.Builder
	for _, document := range documents {
		fmt.Fprintf(&got, "# %s\n%s", document.Origin, document.Text)
	}
	want := `# base/web.yaml
apiVersion: davit/v1
kind: Container
metadata:
  name: a-web
spec:
  hostname: b
  image: example.com/web:1
# site/kustomization.yaml
apiVersion: v1
data:
  A: "1"
  HOME: ""
  index.html: |
    <p>
kind: ConfigMap
metadata:
  name: a-files
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}

func TestWhatLeadsOutsideIsRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"resources:\n- https://example.com/x.yaml":                     `2:3: "https://example.com/x.yaml" is not in the repository, and davit fetches nothing`,
		"Resources:\n- https://example.com/x.yaml":                     `2:3: "https://example.com/x.yaml" is not in the repository, and davit fetches nothing`,
		"resources: [github.com/a/b]":                                  `1:13: "github.com/a/b" is not in the repository, and davit fetches nothing`,
		"resources: [git@example.com:a/b]":                             `1:13: "git@example.com:a/b" is not in the repository, and davit fetches nothing`,
		"components: ['ssh://example.com/a']":                          `1:14: "ssh://example.com/a" is not in the repository, and davit fetches nothing`,
		"bases: ['file:///etc']":                                       `1:9: "file:///etc" is not in the repository, and davit fetches nothing`,
		"patches: [{path: 'http://example.com/x'}]":                    `1:18: "http://example.com/x" is not in the repository, and davit fetches nothing`,
		"patchesStrategicMerge: ['HTTP://example.com/x']":              `1:25: "HTTP://example.com/x" is not in the repository, and davit fetches nothing`,
		"configMapGenerator: [{name: a, files: ['a=https://x.com/']}]": `1:40: "a=https://x.com/" is not in the repository, and davit fetches nothing`,
		"secretGenerator: [{name: a, env: 'https://x.com/'}]":          `1:34: "https://x.com/" is not in the repository, and davit fetches nothing`,
		"openapi: {path: 'https://x.com/'}":                            `1:17: "https://x.com/" is not in the repository, and davit fetches nothing`,
		"patches: [{path: /site/web.yaml}]":                            `1:18: "/site/web.yaml" is not in the repository, and davit fetches nothing`,
		"patchesStrategicMerge: ['/site/a:b.yaml']":                    `1:25: "/site/a:b.yaml" is not in the repository, and davit fetches nothing`,
		"crds: ['https://x.com/']":                                     `1:8: "https://x.com/" is not in the repository, and davit fetches nothing`,
		"replacements: [{path: 'https://x.com/'}]":                     `1:23: "https://x.com/" is not in the repository, and davit fetches nothing`,
		"helmCharts: [{name: a}]":                                      `1:1: helmCharts is not supported: davit runs no plugins and no helm`,
		"generators: [a.yaml]":                                         `1:1: generators is not supported: davit runs no plugins and no helm`,
		"transformers: [a.yaml]":                                       `1:1: transformers is not supported: davit runs no plugins and no helm`,
		"validators: [a.yaml]":                                         `1:1: validators is not supported: davit runs no plugins and no helm`,
		"resources: [../base, none.yaml]":                              `1:22: there is neither a file nor a kustomization "none.yaml"`,
		"resources: [../outside.yaml]":                                 `1:1: accumulating resources: accumulation err='accumulating resources from '../outside.yaml': security; file '/outside.yaml' is not in or below '/site'': must build at directory: '/outside.yaml': file is not directory`,
		"resources: [/etc/passwd]":                                     `1:13: "/etc/passwd" is not in the repository, and davit fetches nothing`,
		"namePrefixx: a":                                               `1:1: invalid Kustomization: json: unknown field "namePrefixx"`,
		"a: [":                                                         `1:1: invalid Kustomization: yaml: line 1: did not find expected node content`,
		"":                                                             `1:1: kustomization.yaml is empty`,
		"resources: [../loop]":                                         `1:1: accumulating resources: accumulation err='accumulating resources from '../loop': '/loop' must resolve to a file': recursed accumulation of path '/loop': accumulating resources: accumulation err='accumulating resources from '../site': '/site' must resolve to a file': cycle detected: candidate root '/site' contains visited root '/site'`,
	} {
		_, problem := Build(Files{
			"site/kustomization.yaml": []byte(text), "base/kustomization.yaml": []byte("resources: [web.yaml]"), "base/web.yaml": []byte(container),
			"outside.yaml": []byte(container), "loop/kustomization.yaml": []byte("resources: [../site]"),
		}, "site/kustomization.yaml")
		if problem == nil {
			t.Errorf("%s: no error", text)
		} else if got := fmt.Sprintf("%d:%d: %s", problem.Line, problem.Column, problem.Message); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", text, got, want)
		}
	}
}

func TestProblemsOfAUsedKustomizationAreFound(t *testing.T) {
	t.Parallel()
	_, problem := Build(Files{
		"site/kustomization.yaml": []byte("resources: [../base]"), "base/kustomization.yaml": []byte("resources: ['https://example.com']"),
	}, "site/kustomization.yaml")
	if problem == nil || problem.File != "base/kustomization.yaml" {
		t.Errorf("got %+v", problem)
	}
}

func TestDoublingIsBounded(t *testing.T) {
	t.Parallel()
	files := Files{"0/kustomization.yaml": []byte("resources: [web.yaml]"), "0/web.yaml": []byte(container)}
	for i := range 40 {
		for _, side := range []string{"a", "b"} {
			text := fmt.Sprintf("namePrefix: %s\nresources: [../%d%s, ../%d%s]\n", side, i, "a", i, "b")
			if i == 0 {
				text = "namePrefix: " + side + "\nresources: [../0]\n"
			}
			files[fmt.Sprintf("%d%s/kustomization.yaml", i+1, side)] = []byte(text)
		}
	}
	_, problem := Build(files, "40a/kustomization.yaml")
	if problem == nil || !strings.Contains(problem.Message, "more than 10000 objects") {
		t.Errorf("got %+v", problem)
	}
}

func TestCopyingIsBounded(t *testing.T) {
	t.Parallel()
	var operations []string
	for i := range 40 {
		operations = append(operations, fmt.Sprintf(`{"op": "copy", "from": "/spec", "path": "/spec/x%d"}`, i))
	}
	text := "resources: [web.yaml]\npatches: [{target: {kind: Container}, patch: '[" + strings.Join(operations, ",") + "]'}]"
	_, problem := Build(Files{"a/kustomization.yaml": []byte(text), "a/web.yaml": []byte(container)}, "a/kustomization.yaml")
	if problem == nil || !strings.Contains(problem.Message, "exceeding the limit") {
		t.Errorf("got %+v", problem)
	}
}

func TestAliasesAreNotWrittenOut(t *testing.T) {
	t.Parallel()
	laughs := "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
	indented := "    " + strings.ReplaceAll(laughs, "\n", "\n    ")
	for kustomization, want := range map[string]string{
		"resources: [laughs.yaml]\n":                            "a/laughs.yaml:2:8",
		"patches: [{path: laughs.yaml}]\n":                      "a/laughs.yaml:2:8",
		"patchesStrategicMerge: [laughs.yaml]\n":                "a/laughs.yaml:2:8",
		"replacements: [{path: laughs.yaml}]\n":                 "a/laughs.yaml:2:8",
		"patches:\n- patch: |\n" + indented + "\n":              "a/kustomization.yaml:2:10",
		"patchesStrategicMerge:\n- |\n" + indented + "\n":       "a/kustomization.yaml:2:3",
		"resources: [../b]\n":                                   "b/laughs.yaml:2:8",
		"resources: [fine.yaml]\nconfigurations: [laughs.yaml]": "a/laughs.yaml:2:8",
	} {
		_, problem := Build(Files{
			"a/kustomization.yaml": []byte(kustomization), "a/laughs.yaml": []byte(laughs), "a/fine.yaml": []byte(container),
			"b/kustomization.yaml": []byte("resources: [laughs.yaml]"), "b/laughs.yaml": []byte(laughs),
		}, "a/kustomization.yaml")
		if problem == nil || !strings.Contains(problem.Message, "aliases") {
			t.Errorf("%s: got %v", kustomization, problem)
		} else if got := fmt.Sprintf("%s:%d:%d", problem.File, problem.Line, problem.Column); got != want {
			t.Errorf("%s: got %s, want %s", kustomization, got, want)
		}
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	files := Files{
		"base/kustomization.yaml":  []byte("resources: [web.yaml]"),
		"site/kustomization.yml":   []byte("resources: [../base]\ncomponents: [../tls]"),
		"tls/Kustomization":        []byte("kind: Component"),
		"alone/kustomization.yaml": []byte("{}"),
		"site/web.yaml":            []byte(container),
	}
	if diff := cmp.Diff([]string{"alone/kustomization.yaml", "site/kustomization.yml"}, Targets(files)); diff != "" {
		t.Error(diff)
	}
}

func FuzzBuild(f *testing.F) {
	f.Add("resources: [web.yaml]\nnamePrefix: a\nreplacements: [{source: {kind: a}, targets: [{}]}]\n", container)
	f.Add("patches: [{patch: '[]', target: {kind: x}}]\nimages: [{}]\nvars: [{}]\nlabels: [{pairs: {a: b}}]", "a: [b]")
	f.Fuzz(func(t *testing.T, kustomization, resource string) {
		Build(Files{"a/kustomization.yaml": []byte(kustomization), "a/web.yaml": []byte(resource)}, "a/kustomization.yaml")
	})
}

package manifests

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/manifests/fleet"
)

// refs are the objects of a set as text.
func refs(set *Set) []string {
	var refs []string
	for _, object := range set.Objects {
		refs = append(refs, object.Ref().String())
	}
	return refs
}

func TestKustomizationsAreBuilt(t *testing.T) {
	t.Parallel()
	const web = "apiVersion: davit/v1\nkind: Volume\nmetadata:\n  name: web\n"
	all := files(
		"app/kustomization.yaml", "resources: [web.yaml]\n",
		"app/web.yaml", web,
		"app/unused.yaml", "a: [",
		"nodes/edge-1/kustomization.yaml", "resources: [../../app]\nnameSuffix: -one\n",
		"nodes/edge-1/sub/notes.yaml", "a: [",
		"nodes/edge-2/kustomization.yaml", "resources: [../../app]\nnameSuffix: -two\n",
		"plain.yaml", strings.Replace(web, "web", "plain", 1),
	)
	for name, test := range map[string]struct {
		node *fleet.Node
		want []string
	}{
		"the node's own uses it": {&fleet.Node{Hostname: "edge-1"}, []string{"Volume/plain", "Volume/web-one"}},
		"by itself":              {&fleet.Node{Hostname: "edge-3"}, []string{"Volume/plain", "Volume/web"}},
		"every one":              {nil, []string{"Volume/plain", "Volume/web-one", "Volume/web-two"}},
	} {
		set := Load(all, Options{Node: test.node})
		if err := set.Diagnostics.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(test.want, refs(set)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestErrorsPointToWhatWasBuilt(t *testing.T) {
	t.Parallel()
	const web = "# a comment\napiVersion: davit/v1\nkind: Volume\nmetadata:\n  name: web\nspec:\n  mod: \"1\"\n"
	for name, test := range map[string]struct{ kustomization, want string }{
		"in a resource": {"resources: [web.yaml]\n", `/m/a/web.yaml:7:3: spec.mod: unknown field (did you mean "mode"?)`},
		"in a patch": {
			"resources: [web.yaml]\npatches: [{target: {kind: Volume}, patch: '[{\"op\": \"replace\", \"path\": \"/spec\", \"value\": {\"modes\": \"x\"}}]'}]\n",
			`/m/a/web.yaml:7:3: spec.modes: unknown field (did you mean "mode"?)`,
		},
		"in what it cannot find": {"resources: [none.yaml]\n", `/m/a/kustomization.yaml:1:13: there is neither a file nor a kustomization "none.yaml" (a kustomization is built from the files of folders with a kustomization.yaml)`},
		"in itself":              {"resource: []\n", `/m/a/kustomization.yaml:1:1: invalid Kustomization: json: unknown field "resource"`},
		"in what it generates":   {"configMapGenerator: [{name: a, literals: [a=b]}]\nnamespace: b\npatches: [{target: {kind: ConfigMap}, patch: '[{\"op\": \"add\", \"path\": \"/date\", \"value\": {}}]'}]\n", `/m/a/kustomization.yaml:1:1: date: unknown field (did you mean "data"?)`},
	} {
		set := Load([]File{
			{Path: "/m/a/kustomization.yaml", Name: "a/kustomization.yaml", Text: []byte(test.kustomization)},
			{Path: "/m/a/web.yaml", Name: "a/web.yaml", Text: []byte(web)},
		}, Options{})
		if len(set.Diagnostics) == 0 || set.Diagnostics[0].String() != test.want {
			t.Errorf("%s:\ngot  %v\nwant %s", name, set.Diagnostics, test.want)
		}
	}
}

func TestAKustomizationOfTheWholeDirectory(t *testing.T) {
	t.Parallel()
	set := Load(files("kustomization.yaml", "resources: [a.yaml]\n", "a.yaml", "apiVersion: davit/v1\nkind: Volume\nmetadata: {name: a}\n"), Options{})
	if diff := cmp.Diff([]string{"Volume/a"}, refs(set)); diff != "" || !set.Complete() {
		t.Errorf("%s %v", diff, set.Diagnostics)
	}
}

func TestABuiltDocumentPatches(t *testing.T) {
	t.Parallel()
	set := Load(files(
		"web.yaml", base,
		"nodes/edge-1/kustomization.yaml", "resources: [web.yaml]\n",
		"nodes/edge-1/web.yaml", head+"spec: {hostname: a}\n",
	), Options{Node: berlin()})
	if got := containerText(t, set); got.Hostname != "a" || got.Image != "example.com/web:1" {
		t.Errorf("got %+v", got)
	}
}

package manifests

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/manifests/fleet"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// files makes a manifest directory of name and text pairs.
func files(pairs ...string) []File {
	var files []File
	for i := 0; i+1 < len(pairs); i += 2 {
		files = append(files, File{Path: pairs[i], Name: pairs[i], Text: []byte(pairs[i+1])})
	}
	return files
}

// berlin is a node.
func berlin() *fleet.Node {
	node := fleet.Facts{Hostname: "edge-1", Arch: "arm64", OS: "debian", OSVersion: "13"}.Node().With(
		map[string]string{"site": "berlin", "example.com/rack": "7"},
		map[string]fleet.Variable{"PORT": fleet.ParseVariable("8080"), "NAME": fleet.ParseVariable("kiosk"), "ON": fleet.ParseVariable("true"), "TEXT": fleet.ParseVariable(`"8080"`)},
	)
	return &node
}

const (
	head = "apiVersion: davit/v1\nkind: Container\nmetadata: {name: web}\n"
	base = head + `spec:
  image: example.com/web:1
  command: [serve, --quiet]
  env:
    - {name: A, value: "1"}
    - {name: B, value: "2"}
  service: {UMask: 0077, Nice: 5}
`
)

func containerText(t *testing.T, set *Set) v1.ContainerSpec {
	t.Helper()
	if err := set.Diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	for _, object := range set.Objects {
		if container, ok := object.Object.(*v1.Container); ok {
			return container.Spec
		}
	}
	t.Fatal("no container")
	return v1.ContainerSpec{}
}

func TestOverlaysPatch(t *testing.T) {
	t.Parallel()
	set := func(change func(*v1.ContainerSpec)) v1.ContainerSpec {
		spec := v1.ContainerSpec{ContainerFields: v1.ContainerFields{
			Image: "example.com/web:1", Command: []string{"serve", "--quiet"},
			Env:     []v1.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}},
			Service: v1.UnitSection{"UMask": {"0077"}, "Nice": {"5"}},
		}}
		change(&spec)
		return spec
	}
	for name, test := range map[string]struct {
		patch string
		want  func(*v1.ContainerSpec)
	}{
		"a field is replaced":            {"spec: {image: 'example.com/web:2'}", func(s *v1.ContainerSpec) { s.Image = "example.com/web:2" }},
		"a field is added":               {"spec: {hostname: a}", func(s *v1.ContainerSpec) { s.Hostname = "a" }},
		"null deletes a field":           {"spec: {command: null}", func(s *v1.ContainerSpec) { s.Command = nil }},
		"a list without key is replaced": {"spec: {command: [x]}", func(s *v1.ContainerSpec) { s.Command = []string{"x"} }},
		"an element is merged by its key": {"spec: {env: [{name: B, value: '3'}]}", func(s *v1.ContainerSpec) {
			s.Env[1].Value = "3"
		}},
		"an element is added": {"spec: {env: [{name: C, value: '3'}]}", func(s *v1.ContainerSpec) {
			s.Env = []v1.EnvVar{{Name: "C", Value: "3"}, {Name: "A", Value: "1"}, {Name: "B", Value: "2"}}
		}},
		"an element is deleted": {"spec: {env: [{name: A, $patch: delete}]}", func(s *v1.ContainerSpec) { s.Env = s.Env[1:] }},
		"a list is replaced": {"spec: {env: [{$patch: replace}, {name: Z, value: z}]}", func(s *v1.ContainerSpec) {
			s.Env = []v1.EnvVar{{Name: "Z", Value: "z"}}
		}},
		"items of a plain list are deleted": {"spec: {$deleteFromPrimitiveList/command: [--quiet]}", func(s *v1.ContainerSpec) {
			s.Command = []string{"serve"}
		}},
		"keys are retained": {"spec: {service: {$retainKeys: [UMask]}}", func(s *v1.ContainerSpec) {
			s.Service = v1.UnitSection{"UMask": {"0077"}}
		}},
		"an order is set": {"spec: {$setElementOrder/env: [{name: B}, {name: A}]}", func(s *v1.ContainerSpec) {
			s.Env = []v1.EnvVar{{Name: "B", Value: "2"}, {Name: "A", Value: "1"}}
		}},
		"a mapping is replaced": {"spec: {service: {$patch: replace, Nice: 1}}", func(s *v1.ContainerSpec) {
			s.Service = v1.UnitSection{"Nice": {"1"}}
		}},
		"numbers stay as written": {"spec: {service: {Nice: 007}}", func(s *v1.ContainerSpec) { s.Service["Nice"] = v1.Values{"007"} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Load(files("base/web.yaml", base, "nodes/edge-1/web.yaml", head+test.patch+"\n"), Options{Node: berlin()})
			if diff := cmp.Diff(set(test.want), containerText(t, got)); diff != "" {
				t.Error(diff)
			}
			if at := got.Objects[0].Source.String(); at != "base/web.yaml:1:1" {
				t.Errorf("the source is %s", at)
			}
		})
	}
}

func TestLayersApplyInOrder(t *testing.T) {
	t.Parallel()
	image := func(tag string) string { return head + "spec: {image: 'example.com/web:" + tag + "'}\n" }
	all := []string{
		"web.yaml", image("0"),
		"labels/davit.io/arch=amd64/web.yaml", image("amd64"),
		"labels/davit.io/arch=arm64/deep/web.yaml", image("arm64"),
		"labels/example.com/rack=7/web.yaml", image("rack"),
		"labels/site=berlin/web.yaml", image("berlin"),
		"nodes/edge-1/web.yaml", image("node"),
		"nodes/edge-2/web.yaml", "a: [",
	}
	for end, want := range map[int]string{2: "0", 4: "0", 6: "arm64", 8: "rack", 10: "berlin", 12: "node", 14: "node"} {
		got := containerText(t, Load(files(all[:end]...), Options{Node: berlin()})).Image
		if got != "example.com/web:"+want {
			t.Errorf("of %d files: got %s, want %s", end/2, got, want)
		}
	}
}

func TestErrorsPointIntoTheOverlay(t *testing.T) {
	t.Parallel()
	const volume = "apiVersion: davit/v1\nkind: Volume\nmetadata: {name: data}\n"
	for name, test := range map[string]struct{ path, patch, want string }{
		"a typo":                {"nodes/edge-1/a.yaml", head + "spec: {imagee: x}\n", `nodes/edge-1/a.yaml:4:8: spec.imagee: unknown field (did you mean "image"?)`},
		"a wrong value":         {"nodes/edge-1/a.yaml", head + "spec:\n  restartPolicy: always\n", `nodes/edge-1/a.yaml:5:18: spec.restartPolicy: unknown value "always" (did you mean "Always"?)`},
		"in an element":         {"nodes/edge-1/a.yaml", head + "spec: {env: [{name: B, value: 1}]}\n", `nodes/edge-1/a.yaml:4:31: spec.env[1].value: want a string, got the number 1 (quote it: "1")`},
		"what is missing now":   {"nodes/edge-1/a.yaml", head + "spec: {image: null}\n", `base/web.yaml:5:3: spec.image: missing`},
		"a key twice":           {"nodes/edge-1/a.yaml", head + "spec: {image: a, image: b}\n", `nodes/edge-1/a.yaml:4:18: spec.image: appears twice, as "image" in line 4 too`},
		"an element's key":      {"nodes/edge-1/a.yaml", head + "spec: {env: [{value: b}]}\n", `nodes/edge-1/a.yaml:4:14: spec.env[0]: has no name, by which the list is merged`},
		"nothing to delete":     {"nodes/edge-1/a.yaml", "apiVersion: davit/v1\nkind: Container\nmetadata: {name: wep}\n$patch: delete\n", `nodes/edge-1/a.yaml:4:9: $patch: there is no Container/wep to patch (did you mean "web"?)`},
		"two patches":           {"nodes/edge-1/a.yaml", head + "---\n" + head, `nodes/edge-1/a.yaml:5:1: Container/web appears twice in nodes/edge-1, also in nodes/edge-1/a.yaml:1:1`},
		"an alias":              {"nodes/edge-1/a.yaml", head + "spec: {image: &a x.y/z, hostname: *a}\n", `nodes/edge-1/a.yaml:4:15: spec.hostname: "x.y/z" is not a host name`},
		"directives elsewhere":  {"other/a.yaml", volume + "$patch: delete\n", `other/a.yaml:4:1: $patch: unknown field`},
		"directives in its own": {"nodes/edge-1/a.yaml", volume + "spec: {$patch: replace}\n", `nodes/edge-1/a.yaml:4:8: spec.$patch: unknown field`},
		"a file in nodes":       {"nodes/a.yaml", volume, `nodes/a.yaml:1:1: nodes/ has a folder for each node: put the file into nodes/HOSTNAME/`},
		"a folder without =":    {"labels/site/berlin/a.yaml", volume, `labels/site/berlin/a.yaml:1:1: labels/ has a folder for each label: put the file into labels/KEY=VALUE/`},
	} {
		set := Load(files("base/web.yaml", base, test.path, test.patch), Options{Node: berlin()})
		if len(set.Diagnostics) == 0 {
			t.Errorf("%s: no error", name)
		} else if got := set.Diagnostics[0].String(); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, test.want)
		}
	}
}

func TestWithoutANodeEveryOverlayIsChecked(t *testing.T) {
	t.Parallel()
	set := Load(files(
		"base/web.yaml", base,
		"labels/site=rome/web.yaml", head+"spec: {imagee: a}\n",
		"nodes/a/web.yaml", head+"spec: {hostname: a}\n",
		"nodes/a/data.yaml", "apiVersion: davit/v1\nkind: Volume\nmetadata: {name: data}\n",
		"nodes/b/web.yaml", head+"spec: {hostname: '-'}\n",
	), Options{})
	var got []string
	for _, diagnostic := range set.Diagnostics {
		got = append(got, diagnostic.Position.String())
	}
	if diff := cmp.Diff([]string{"labels/site=rome/web.yaml:4:8", "nodes/b/web.yaml:4:18"}, got); diff != "" {
		t.Error(diff)
	}
	if len(set.Objects) != 2 {
		t.Errorf("objects %v", set.Objects)
	}
}

func TestWhatIsNotForTheNodeIsLeftOut(t *testing.T) {
	t.Parallel()
	text := func(metadata string) string {
		return "apiVersion: davit/v1\nkind: Volume\nmetadata: {name: a, " + metadata + "}\n"
	}
	for name, test := range map[string]struct{ text, reason, without string }{
		"matching":     {text("nodeSelector: {site: berlin, davit.io/arch: arm64}"), "", ""},
		"another site": {text("nodeSelector: {site: rome}"), "the node has no label site=rome", ""},
		"unknown key":  {text("nodeSelector: {gpu: ''}"), "the node has no label gpu=", ""},
		"disabled":     {text("disabled: true"), "disabled", "disabled"},
		"not disabled": {text("disabled: false"), "", ""},
	} {
		for node, want := range map[*fleet.Node]string{berlin(): test.reason, nil: test.without} {
			set := Load(files("a.yaml", test.text), Options{Node: node})
			var got string
			for _, left := range set.LeftOut {
				got = left.Reason
			}
			if got != want || len(set.Objects)+len(set.LeftOut) != 1 || !set.Complete() {
				t.Errorf("%s: got %q, want %q; %v", name, got, want, set.Diagnostics)
			}
		}
	}
	broken := Load(files("a.yaml", text("nodeSelector: {site: rome}")+"spec: {mode: x}\n"), Options{Node: berlin()})
	if broken.Complete() {
		t.Error("what is left out is not validated")
	}
}

func TestSitesMayHaveTheirOwnOfAName(t *testing.T) {
	t.Parallel()
	at := func(site string) string {
		return strings.Replace(base, "{name: web}", "{name: web, nodeSelector: {site: "+site+"}}", 1)
	}
	for _, node := range []*fleet.Node{nil, berlin()} {
		set := Load(files("a.yaml", at("berlin"), "b.yaml", at("rome")), Options{Node: node})
		if err := set.Diagnostics.Err(); err != nil {
			t.Error(err)
		}
	}
}

func TestADeletedObjectIsLeftOut(t *testing.T) {
	t.Parallel()
	set := Load(files("web.yaml", base, "nodes/edge-1/web.yaml", head+"$patch: delete\n"), Options{Node: berlin()})
	if len(set.Objects) != 0 || len(set.LeftOut) != 1 || !set.Complete() {
		t.Fatalf("%+v", set)
	}
	if got := set.LeftOut[0]; got.Ref().String() != "Container/web" || got.Reason != "deleted by nodes/edge-1/web.yaml:1:1" {
		t.Errorf("left out %v: %s", got.Ref(), got.Reason)
	}
}

func FuzzOverlay(f *testing.F) {
	for _, patch := range []string{
		"spec: {env: [{name: A, $patch: delete}, null, 1]}", "$patch: replace", "spec: {$retainKeys: [image]}",
		"spec: {$setElementOrder/env: [{name: B}, null]}", "spec: {volumes: [{name: a, $retainKeys: [name]}]}",
		"spec: {env: [null]}", "spec: [1]", "metadata: null", "spec: {$deleteFromPrimitiveList/command: [null, {}]}",
		"spec: {ports: [[]], env: {a: b}}", "$setElementOrder/spec: []",
	} {
		f.Add(base, head+patch)
	}
	f.Fuzz(func(t *testing.T, lower, upper string) {
		set := Load(files("a.yaml", lower, "nodes/edge-1/a.yaml", upper), Options{Node: berlin()})
		for _, diagnostic := range set.Diagnostics {
			if diagnostic.Line < 1 || diagnostic.Column < 1 || diagnostic.File == "" {
				t.Errorf("%v is no place", diagnostic)
			}
		}
	})
}

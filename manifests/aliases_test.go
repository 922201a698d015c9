package manifests

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// TestAliasesAreWrittenOut has what homelabs do with anchors: a value again, fields merged, and fields that win.
func TestAliasesAreWrittenOut(t *testing.T) {
	t.Parallel()
	set := loadText(`apiVersion: davit/v1
kind: Pod
metadata: {name: &name web, labels: {app: *name}}
spec:
  containers:
  - &base
    name: a
    image: &image example.com/a:1
    resources: &small {limits: {memory: 64Mi, cpu: 1}}
    env: &env [{name: A, value: *image}]
  - <<: *base
    name: b
  - {name: c, image: *image, resources: {<<: *small}, env: *env}
  - <<: [{image: example.com/b:1}, *base]
    name: d
`)
	if err := set.Diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	pod := set.Objects[0].Object.(*v1.Pod)
	var got []string
	for _, c := range pod.Spec.Containers {
		got = append(got, c.Name+" "+c.Image+" "+string(c.Resources.Limits["memory"])+" "+c.Env[0].Value)
	}
	want := []string{
		"a example.com/a:1 64Mi example.com/a:1", "b example.com/a:1 64Mi example.com/a:1",
		"c example.com/a:1 64Mi example.com/a:1", "d example.com/b:1 64Mi example.com/a:1",
	}
	if diff := cmp.Diff(want, got); diff != "" || pod.Metadata.Labels["app"] != "web" {
		t.Error(diff, pod.Metadata.Labels)
	}
}

// TestAliasesAreBounded has what grows, what has no end, and what is no mapping.
func TestAliasesAreBounded(t *testing.T) {
	t.Parallel()
	bomb := []string{"a0: &a0 [x, x, x, x, x, x, x, x, x, x]"}
	for i := range 9 {
		name := string(rune('0' + i))
		next := string(rune('1' + i))
		bomb = append(bomb, "a"+next+": &a"+next+" ["+strings.Repeat("*a"+name+", ", 9)+"*a"+name+"]")
	}
	for name, test := range map[string]struct{ text, want string }{
		"a bomb":              {strings.Join(bomb, "\n") + "\n", "aliases make too much of it (write the values out)"},
		"itself":              {"a: &a [*a]\n", "an alias to a node that contains it has no end (write the values out)"},
		"itself, merged":      {"a: &a {<<: *a}\n", "an alias to a node that contains it has no end (write the values out)"},
		"what holds it":       {"a: &a {b: {c: *a}}\n", "an alias to a node that contains it has no end (write the values out)"},
		"a merge of a text":   {"a: {<<: b}\n", "<< takes a mapping, or a list of them (write the values out)"},
		"a merge of a number": {"a: {<<: [{c: d}, 1]}\n", "<< takes a mapping, or a list of them (write the values out)"},
	} {
		if diagnostics := loadText(test.text).Diagnostics; len(diagnostics) == 0 || diagnostics[0].Text() != test.want {
			t.Errorf("%s: %v", name, diagnostics)
		}
	}
}

// TestEscapesOfJSON has those that Ansible writes and YAML has not, and texts of YAML that stay as they are.
func TestEscapesOfJSON(t *testing.T) {
	t.Parallel()
	const head = `{"apiVersion": "davit/v1", "kind": "Config", "metadata": {"name": "a"}, "data": {"a": `
	const block = "apiVersion: davit/v1\nkind: Config\nmetadata: {name: a}\ndata:\n  a: |-\n    %YAML 1.2\n    s/a\\/b/\\ud83d\\ude00/\n"
	for text, want := range map[string]string{
		head + `"\ud83d\ude00 \/ \u00e4 \\/ \\ud83d\\ude00"}}`: `😀 / ä \/ \ud83d\ude00`,
		"---\n" + head + `"\ud83d\ude00"}}`:                    "😀",
		"# generated\n%YAML 1.2\n---\n" + head + `"\/"}}`:      "/",
		"%YAML 1.2\n---\n" + block:                             "%YAML 1.2\ns/a\\/b/\\ud83d\\ude00/",
		block:                                                  "%YAML 1.2\ns/a\\/b/\\ud83d\\ude00/",
	} {
		set := loadText(text)
		if err := set.Diagnostics.Err(); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := set.Objects[0].Object.(*v1.Config).Data["a"]; got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

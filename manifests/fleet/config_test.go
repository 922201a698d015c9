package fleet

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/manifests/yaml"
)

func TestParseConfig(t *testing.T) {
	t.Parallel()
	config, diagnostics := ParseConfig(yaml.File{Path: "config.yaml", Text: []byte("labels: {site: berlin, example.com/rack: '7'}\nvariables: {PORT: 80, NAME: a, ON: true, TEXT: '80'}\ngenerationsSize: 5Gi\n")})
	if err := diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	want := Config{
		Labels:          map[string]string{"site": "berlin", "example.com/rack": "7"},
		Variables:       map[string]Variable{"PORT": {"80", "!!int"}, "NAME": {"a", "!!str"}, "ON": {"true", "!!bool"}, "TEXT": {"80", "!!str"}},
		GenerationsSize: 5 << 30,
	}
	if diff := cmp.Diff(want, config, cmp.AllowUnexported(Variable{})); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]string{
		"label: {a: b}":              `config.yaml:1:1: label: unknown field (did you mean "labels"?)`,
		"labels: {a: 1}":             `config.yaml:1:13: labels.a: want a string, got the number 1 (quote it: "1")`,
		"labels: {davit.io/arch: x}": `config.yaml:1:25: labels.davit.io/arch: labels of davit.io/ are facts that davit finds itself (leave it out)`,
		"labels: {'a b': x}":         `config.yaml:1:17: labels.a b: "a b" is not a label: want NAME or example.com/NAME`,
		"labels: {a: x/y}":           `config.yaml:1:13: labels.a: "x/y" is not a label's value: want at most 63 letters, digits, '-', '_' and '.'`,
		"variables: {a.b: 1}":        `config.yaml:1:13: variables.a.b: want a name of letters, digits and '_'`,
		"variables: {a: [1]}":        `config.yaml:1:16: variables.a: want a string, number or boolean, got a list`,
		"variables: {a: null}":       `config.yaml:1:16: variables.a: want a string, number or boolean, got nothing`,
		"variables: {a: 1, a: 2}":    `config.yaml:1:19: variables.a: appears twice, as "a" in line 1 too`,
		"generationsSize: many":      `config.yaml:1:18: generationsSize: "many": want a number of bytes, such as 5Gi`,
		"generationsSize: -1":        `config.yaml:1:18: generationsSize: "-1": want a number of bytes, such as 5Gi`,
		"a: [":                       `config.yaml:1:1: not YAML: did not find expected node content`,
		"{}\n---\n{}":                `config.yaml:3:1: want one document`,
		"- a":                        `config.yaml:1:1: want a mapping, got a list`,
	} {
		_, diagnostics := ParseConfig(yaml.File{Path: "config.yaml", Text: []byte(text)})
		if len(diagnostics) == 0 || diagnostics[0].String() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", text, diagnostics, want)
		}
	}
}

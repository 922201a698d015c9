package fleet

import (
	"strings"
	"testing"

	"github.com/davit-project/davit/manifests/yaml"
)

func FuzzSubstitute(f *testing.F) {
	node := Facts{Hostname: "edge-1", Arch: "arm64"}.Node().With(nil, map[string]Variable{"PORT": ParseVariable("8080"), "NAME": ParseVariable("kiosk"), "ON": ParseVariable("true")})
	f.Add("$${NAME} ${ON} ${ ${{}")
	f.Fuzz(func(t *testing.T, text string) {
		d := &yaml.Document{}
		s := substitution{document: d, node: &node, room: yaml.MaxFileSize}
		got := s.scalar(scalarNode(text), "")
		if !strings.Contains(text, "${") && got.Value != text {
			t.Errorf("%q became %q", text, got.Value)
		}
	})
}

func scalarNode(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
}

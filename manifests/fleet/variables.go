package fleet

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/manifests/suggest"
	"github.com/davit-project/davit/manifests/yaml"
)

// substituteAnnotation is the word of an object that wants its ${NAME} replaced. Without it
// nothing is: shells, web servers and Kubernetes manifests write ${…} too.
const substituteAnnotation = "davit.io/substitute"

// variablePattern is an escaped dollar sign, or one that begins a variable.
var variablePattern = regexp.MustCompile(`\$?\$\{([^{}]*)(\}?)`)

// name is what may stand between ${ and }.
var referenceName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// Substitute replaces ${NAME} in the document's strings, keys apart, when it asks for that.
// It works on parsed text, so a value can never become structure. A scalar that is nothing
// but ${NAME}, without quotes, takes the variable's type. $${ stands for ${. For no node in
// particular, scalars with a variable are left open: nothing is said of them.
func Substitute(d *yaml.Document, node *Node) {
	if !wantsVariables(d) {
		return
	}
	s := substitution{document: d, node: node, room: yaml.MaxFileSize}
	d.Replace(s.walk(d.Root, ""))
	if s.room < 0 {
		d.Report(d.Root, "", fmt.Sprintf("with its variables replaced it has more than %d bytes", yaml.MaxFileSize), "")
	}
}

func wantsVariables(d *yaml.Document) bool {
	value := yaml.ValueOf(yaml.ValueOf(yaml.ValueOf(d.Root, "metadata"), "annotations"), substituteAnnotation)
	if value == nil || value.Kind != yaml.ScalarNode {
		return false
	}
	if value.Value != "true" && value.Value != "false" {
		d.Report(value, "metadata.annotations."+substituteAnnotation, fmt.Sprintf("unknown value %q", value.Value), `"true" or "false"`)
	}
	return value.Value == "true"
}

// substitution carries one [Substitute]. room is how many bytes may still come.
type substitution struct {
	document *yaml.Document
	node     *Node
	room     int
}

// walk returns a node with its variables replaced; the node itself, which other views may
// share, stays as it is.
func (s *substitution) walk(node *yaml.Node, path string) *yaml.Node {
	if node.Kind == yaml.ScalarNode {
		return s.scalar(node, path)
	}
	replaced := s.replace(node)
	replaced.Content = slices.Clone(node.Content)
	for i, content := range node.Content {
		switch {
		case node.Kind == yaml.SequenceNode:
			replaced.Content[i] = s.walk(content, fmt.Sprintf("%s[%d]", path, i))
		case i%2 == 1:
			replaced.Content[i] = s.walk(content, object.Join(path, node.Content[i-1].Value))
		}
	}
	return replaced
}

// replace returns a copy that is from the same place.
func (s *substitution) replace(node *yaml.Node) *yaml.Node {
	replaced := *node
	s.document.SetFile(&replaced, s.document.FileOf(node))
	return &replaced
}

func (s *substitution) scalar(node *yaml.Node, path string) *yaml.Node {
	if node.Tag != "!!str" || !strings.Contains(node.Value, "${") {
		return node
	}
	replaced := s.replace(node)
	matches := variablePattern.FindAllStringSubmatchIndex(node.Value, -1)
	whole := len(matches) == 1 && matches[0][0] == 0 && matches[0][1] == len(node.Value)
	replaced.Value = variablePattern.ReplaceAllStringFunc(node.Value, func(match string) string {
		if strings.HasPrefix(match, "$$") {
			return match[1:]
		}
		variable, ok := s.lookUp(match, replaced, path)
		if ok && whole && node.Style == 0 {
			replaced.Tag = variable.yamlTag()
		}
		return variable.Text
	})
	s.room -= len(replaced.Value)
	if s.room < 0 {
		replaced.Value = ""
	}
	return replaced
}

// lookUp finds the variable of a ${NAME}. What is wrong is reported at the scalar.
func (s *substitution) lookUp(match string, at *yaml.Node, path string) (Variable, bool) {
	name, closed := strings.CutSuffix(match[len("${"):], "}")
	if !closed || !referenceName.MatchString(name) {
		s.document.Report(at, path, fmt.Sprintf("%q is not a variable", match), "want ${NAME}; for the text itself write $${")
		return Variable{}, false
	}
	if s.node == nil {
		s.document.LeaveOpen(at)
		return Variable{}, false
	}
	variable, ok := s.node.Variables[name]
	if !ok {
		known := slices.Sorted(maps.Keys(s.node.Variables))
		hint := suggest.DidYouMean(name, known)
		if hint == "" {
			hint = "set it under variables in the node's config.yaml; for the text itself write $${"
		}
		s.document.Report(at, path, fmt.Sprintf("unknown variable %q", name), hint)
	}
	return variable, ok
}

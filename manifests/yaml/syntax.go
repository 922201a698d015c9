package yaml

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/davit-project/davit/manifests/object"
)

// renderFirst is what to do about a template.
const renderFirst = "render it first; a value that is to have {{ needs quotes"

// isTemplate recognises {{ .Values.x }} of Helm, which YAML reads as a mapping whose key is a
// mapping.
func isTemplate(node *yaml.Node) bool {
	return node.Kind == yaml.MappingNode && len(node.Content) > 0 &&
		node.Style&yaml.FlowStyle != 0 && node.Content[0].Kind == yaml.MappingNode
}

var (
	yamlErrorLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)
	tabIndent     = regexp.MustCompile(`^ *\t`)
	// unitSection is how a unit of systemd or a Quadlet begins.
	unitSection = regexp.MustCompile(`^(?:\s|#.*\n|;.*\n)*\[[A-Z][a-z]+\]\s*\n`)
	// specialBegin is a value that begins with a character that YAML keeps to itself.
	specialBegin = regexp.MustCompile("(?m)^.*?[:-] +[@`%]")
)

// syntaxError says what is wrong with a file that is not YAML, in the words of what people
// get wrong most.
func syntaxError(file File, err error) object.Diagnostic {
	line, message := splitSyntaxError(err)
	d := object.Diagnostic{Message: "not YAML: " + message}
	text := string(file.Text)
	tab := tabNear(text, line)
	switch {
	case unitSection.MatchString(text):
		line, d.Message, d.Hint = 1, "a unit or a Quadlet file is no manifest", "write a Container, see docs/manifests.md"
	case strings.HasPrefix(message, "unknown anchor "):
		// The name is left out: it may be the beginning of a password.
		line, d.Message, d.Hint = aliasLine(text, message), "a value that begins with * is an alias", "quote it"
	case strings.Contains(text, "{{"):
		d.Hint = "is it a template? " + renderFirst
	case tab > 0:
		line, d.Message, d.Hint = tab, "a tab in the indentation", "indent with spaces"
	case strings.Contains(message, "cannot start any token") && specialBegin.MatchString(lineAt(text, line)):
		d.Hint = "quote a value that begins with @, % or `"
	case strings.Contains(message, "mapping values are not allowed"):
		d.Hint = "indent fields of one mapping alike, and quote a value with a colon in it"
	}
	d.Position = object.Position{File: file.Path, Line: line, Column: firstColumn(lineAt(text, line))}
	return d
}

// tabNear finds a line that a tab indents: the one that is not YAML, or the next, because
// some errors name the line before the one they mean. It is 0 when there is none, and in JSON,
// where tabs are as good as spaces.
func tabNear(text string, line int) int {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		return 0
	}
	for _, near := range []int{line, line + 1} {
		if tabIndent.MatchString(lineAt(text, near)) {
			return near
		}
	}
	return 0
}

// splitSyntaxError takes the line out of the YAML library's error.
func splitSyntaxError(err error) (line int, message string) {
	message = strings.TrimPrefix(err.Error(), "yaml: ")
	match := yamlErrorLine.FindStringSubmatch(err.Error())
	if match == nil {
		return 1, message
	}
	line, _ = strconv.Atoi(match[1]) // digits; one too large is line 1
	return max(line, 1), strings.TrimPrefix(message, strings.TrimPrefix(match[0], "yaml: "))
}

// aliasLine finds the alias that the library names without its line.
func aliasLine(text, message string) int {
	name := strings.TrimSuffix(strings.TrimPrefix(message, "unknown anchor '"), "' referenced")
	begin, _, found := strings.Cut(text, "*"+name)
	if !found {
		return 1
	}
	return 1 + strings.Count(begin, "\n")
}

// lineAt is a line of a text, empty when it has fewer.
func lineAt(text string, line int) string {
	lines := strings.Split(text, "\n")
	if line > len(lines) {
		return ""
	}
	return lines[line-1]
}

// firstColumn is where a line's text begins.
func firstColumn(line string) int { return len(line) - len(strings.TrimLeft(line, " \t")) + 1 }

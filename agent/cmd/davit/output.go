package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"go.yaml.in/yaml/v3"

	"github.com/davit-project/davit/agent/terminal"
)

// print writes data as --output says; text is for people.
func (s *settings) print(w io.Writer, data any, text func() error) error {
	switch s.output {
	case "text":
		return text()
	case "json":
		// C1 controls and characters that change the direction of text pass the encoder; the writer escapes them, also in a
		// pipe, in a way that JSON has, so that the data is the same.
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(data)
	case "yaml":
		encoded, err := toYAML(data)
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, encoded)
		return err
	default:
		return fmt.Errorf("--output %s: want text, json or yaml", s.output)
	}
}

// printLine prints one line of text. It replaces line ends in the arguments, so that a foreign text cannot pass for a line
// that davit printed.
func printLine(w io.Writer, format string, args ...any) error {
	_, err := fmt.Fprintln(w, terminal.Line(fmt.Sprintf(format, args...)))
	return err
}

// table prints lines of text in columns.
type table struct{ columns *tabwriter.Writer }

func newTable(w io.Writer, heads ...any) table {
	t := table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	t.row(heads...)
	return t
}

func (t table) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = terminal.Line(fmt.Sprint(cell))
	}
	fmt.Fprintln(t.columns, strings.Join(texts, "\t"))
}

// toYAML is data as YAML, with the names and the order that it has as JSON, which is YAML too.
func toYAML(data any) (string, error) {
	encoded, err := json.Marshal(data)
	if err != nil {
		return "", err
	}
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(escapeQuoted(string(encoded))), &node); err != nil {
		return "", err
	}
	restyle(&node)
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	encoder.CompactSeqIndent()
	err = encoder.Encode(&node)
	return escapeQuoted(text.String()), err
}

// restyle has YAML look as people write it. Texts with characters that a terminal does not show are in double quotes, where there
// are escapes.
func restyle(node *yaml.Node) {
	node.Style = 0
	if strings.ContainsFunc(node.Value, func(r rune) bool { return !terminal.IsShown(r) }) {
		node.Style = yaml.DoubleQuotedStyle
	}
	for _, child := range node.Content {
		restyle(child)
	}
}

// escapeQuoted escapes characters that a terminal does not show, all of which are in double quotes.
func escapeQuoted(text string) string {
	var escaped strings.Builder
	for _, r := range text {
		if terminal.IsShown(r) {
			escaped.WriteRune(r)
		} else {
			fmt.Fprintf(&escaped, `\U%08x`, r)
		}
	}
	return escaped.String()
}

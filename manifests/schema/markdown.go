package schema

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/davit-project/davit/manifests/v1"
)

// markdown returns the reference of all kinds: a table for each object, in the order in
// which the kinds lead to them.
func markdown() string {
	var text strings.Builder
	for _, object := range objects() {
		fmt.Fprintf(&text, "\n### %s\n\n%s\n\n| field | type | meaning |\n|---|---|---|\n", object.Name, paragraph(object.Doc))
		for _, field := range object.Fields {
			fmt.Fprintf(&text, "| %s | %s | %s |\n", field.Name, typeLink(field), meaning(field))
		}
	}
	return text.String()
}

// objects are all object types: the kinds, and then what they reach.
func objects() []*Type {
	found := append([]*Type(nil), Kinds()...)
	seen := map[*Type]bool{}
	for _, kind := range found {
		seen[kind] = true
	}
	for i := 0; i < len(found); i++ {
		for _, field := range found[i].Fields {
			if below := field.Type.Object(); below != nil && !seen[below] {
				seen[below] = true
				found = append(found, below)
			}
		}
	}
	return found
}

// typeLink names a field's type, with a link to the table of an object.
func typeLink(field Field) string {
	text := escapeMarkdown(field.Type.String())
	if object := field.Type.Object(); object != nil {
		text = strings.TrimSuffix(text, string(Object)) + fmt.Sprintf("[%s](#%s)", object.Name, strings.ToLower(object.Name))
	}
	if field.Required {
		text += ", required"
	}
	return text
}

// meaning is a field's comment, and its values where the comment leaves some out.
func meaning(field Field) string {
	text := paragraph(field.Doc)
	unnamed := func(value string) bool { return !strings.Contains(field.Doc, value) }
	if slices.ContainsFunc(field.Enum, unnamed) {
		text += " Values: " + escapeMarkdown(v1.EnumText(field.Enum)) + "."
	}
	return text
}

// paragraph is a comment on one line, as the cell of a table needs it.
func paragraph(text string) string {
	return escapeMarkdown(strings.Join(strings.Fields(text), " "))
}

// markdownCharacters mean something in a table, in HTML, or in GitHub's formulas.
var markdownCharacters = strings.NewReplacer("|", `\|`, "<", `\<`, "*", `\*`, "$", `\$`, "[", `\[`)

func escapeMarkdown(text string) string { return markdownCharacters.Replace(text) }

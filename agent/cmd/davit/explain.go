package main

import (
	"errors"
	"fmt"
	"go/doc/comment"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/manifests/schema"
	"github.com/davit-project/davit/manifests/suggest"
	v1 "github.com/davit-project/davit/manifests/v1"
)

func explainCommand() *cobra.Command {
	var recursive bool
	cmd := &cobra.Command{
		Use:   "explain [KIND[.FIELD]...]",
		Short: "Explain the fields of a manifest",
		Long: `Explain a kind or a field: its meaning, its values and its fields. davit also accepts a path
as errors show it. Without arguments davit lists all kinds.`,
		Example: `  davit explain container.spec.ports
  davit explain --recursive pod`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return explainKinds(cmd.OutOrStdout())
			}
			return explain(cmd.OutOrStdout(), args[0], recursive)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, kind := range schema.Kinds() {
				names = append(names, kind.Name)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&recursive, "recursive", false, "print the names of all fields below, without descriptions")
	return cmd
}

func explainKinds(w io.Writer) error {
	for _, kind := range schema.Kinds() {
		fmt.Fprintf(w, "%s\n%s", kind.Name, wrap(kind.Doc, "  "))
	}
	return nil
}

func explain(w io.Writer, path string, recursive bool) error {
	kind, field, err := schema.Find(path)
	if unknown := (&schema.UnknownError{}); errors.As(err, &unknown) {
		if hint := suggest.DidYouMean(unknown.Name, unknown.Names); hint != "" {
			return fmt.Errorf("explain %s: %w (%s)", path, err, hint)
		}
	}
	if err != nil {
		return fmt.Errorf("explain %s: %w", path, err)
	}
	fmt.Fprintf(w, "KIND:     %s\nVERSION:  %s\n", kind.Name, v1.APIVersion)
	if field.Type != kind {
		_, name, _ := strings.Cut(field.Name, ".")
		fmt.Fprintf(w, "FIELD:    %s\n", signature(name, field))
	}
	if field.Enum != nil {
		fmt.Fprintf(w, "VALUES:   %s\n", v1.EnumText(field.Enum))
	}
	fmt.Fprintf(w, "\nDESCRIPTION:\n%s", wrap(description(field), "  "))
	object := field.Type.Object()
	switch {
	case object == nil:
	case recursive:
		fmt.Fprint(w, "\nFIELDS:\n")
		explainTree(w, object, "  ")
	default:
		fmt.Fprint(w, "\nFIELDS:\n")
		explainFields(w, object)
	}
	return nil
}

// description is a field's own, and that of its type where the type has something to add.
func description(field schema.Field) string {
	if about := typeOf(field).Doc; about != "" && about != field.Doc {
		return field.Doc + "\n\n" + about
	}
	return field.Doc
}

// typeOf is the type whose description belongs to a field: that of a list's items.
func typeOf(field schema.Field) *schema.Type {
	of := field.Type
	for of.Doc == "" && of.Item != nil {
		of = of.Item
	}
	return of
}

func explainFields(w io.Writer, object *schema.Type) {
	for i, field := range object.Fields {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "  %s\n%s", signature(field.Name, field), wrap(field.Doc, "    "))
		if field.Enum != nil {
			fmt.Fprint(w, wrap("Values: "+v1.EnumText(field.Enum), "    "))
		}
	}
}

func explainTree(w io.Writer, object *schema.Type, indent string) {
	for _, field := range object.Fields {
		fmt.Fprintf(w, "%s%s\n", indent, signature(field.Name, field))
		if below := field.Type.Object(); below != nil {
			explainTree(w, below, indent+"  ")
		}
	}
}

// signature is a field's name and type, as in kubectl explain.
func signature(name string, field schema.Field) string {
	text := fmt.Sprintf("%s <%s>", name, field.Type)
	if field.Required {
		text += " -required-"
	}
	return text
}

// wrap breaks the text of doc comments into lines of at most 80 columns.
func wrap(text, indent string) string {
	printer := comment.Printer{TextPrefix: indent, TextWidth: 80 - len(indent)}
	return string(printer.Text(new(comment.Parser).Parse(text)))
}

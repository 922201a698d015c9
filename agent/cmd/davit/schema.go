package main

import (
	"github.com/spf13/cobra"

	"github.com/davit-project/davit/manifests/schema"
)

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of manifests, for editors and CI",
		Long: `Print the JSON Schema of manifests. Editors use it to complete fields, show their
descriptions and mark errors while you type; see docs/manifests.md.`,
		Example: `  davit schema > davit.schema.json`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(schema.JSON())
			return err
		},
	}
}

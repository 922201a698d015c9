package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/manifests"
)

func validateCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "validate [FILE|DIRECTORY]...",
		Short: "Check manifests without a node",
		Long: `Check manifests: syntax, fields, references between them. Nothing of the node is
looked at, so it works anywhere, such as in CI. All errors are printed; the exit
status is 1 when there is one.`,
		Example: `  davit validate
  davit validate web.yaml base/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{s.manifests}
			}
			set, err := loadFiles(args)
			if err != nil {
				return err
			}
			return s.printValidation(cmd, set)
		},
	}
}

// validation is what validate prints as data.
type validation struct {
	Valid       bool                  `json:"valid"`
	Objects     []string              `json:"objects"`
	Diagnostics manifests.Diagnostics `json:"diagnostics"`
}

func (s *settings) printValidation(cmd *cobra.Command, set *manifests.Set) error {
	result := validation{Valid: set.Complete(), Objects: []string{}, Diagnostics: set.Diagnostics}
	for _, object := range set.Objects {
		result.Objects = append(result.Objects, object.Ref().String())
	}
	err := s.print(cmd.OutOrStdout(), result, func() error {
		for _, diagnostic := range set.Diagnostics {
			fmt.Fprintln(cmd.ErrOrStderr(), diagnostic)
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d objects, %d errors\n", len(set.Objects), len(set.Diagnostics))
		return err
	})
	if err == nil && !set.Complete() {
		return exitError(1)
	}
	return err
}

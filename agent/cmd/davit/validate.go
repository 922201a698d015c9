package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/manifests"
)

func validateCommand(s *settings) *cobra.Command {
	var node nodeFlags
	cmd := &cobra.Command{
		Use:   "validate [FILE|DIRECTORY]...",
		Short: "Check manifests without a node",
		Long: `Check manifests: syntax, fields, references between them. Nothing of the node is
looked at, so it works anywhere, such as in CI. All errors are printed; the exit
status is 1 when there is one.

Every overlay is checked. With --config, --hostname, --label or --set only what that node
would get is, and with its variables.`,
		Example: `  davit validate
  davit validate web.yaml base/
  davit validate --hostname edge-1 --label site=berlin --set PORT=8080 .`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{s.manifests}
			}
			options, err := s.someNode(cmd, &node)
			if err != nil {
				return err
			}
			set, err := loadFiles(args, options)
			if err != nil {
				return err
			}
			return s.printValidation(cmd, set)
		},
	}
	node.add(cmd)
	return cmd
}

// validation is what validate prints as data.
type validation struct {
	Valid       bool                  `json:"valid"`
	Objects     []string              `json:"objects"`
	LeftOut     []leftOut             `json:"leftOut"`
	Diagnostics manifests.Diagnostics `json:"diagnostics"`
}

// leftOut is an object that the node does not get.
type leftOut struct {
	Object string `json:"object"`
	Source string `json:"source"`
	Reason string `json:"reason"`
}

func (s *settings) printValidation(cmd *cobra.Command, set *manifests.Set) error {
	result := validation{Valid: set.Complete(), Objects: []string{}, LeftOut: []leftOut{}, Diagnostics: set.Diagnostics}
	for _, object := range set.Objects {
		result.Objects = append(result.Objects, object.Ref().String())
	}
	for _, left := range set.LeftOut {
		result.LeftOut = append(result.LeftOut, leftOut{left.Ref().String(), left.Source.String(), left.Reason})
	}
	err := s.print(cmd.OutOrStdout(), result, func() error {
		for _, diagnostic := range set.Diagnostics {
			fmt.Fprintln(cmd.ErrOrStderr(), diagnostic)
		}
		for _, left := range result.LeftOut {
			fmt.Fprintf(cmd.OutOrStdout(), "left out %s: %s\n", left.Object, left.Reason)
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d objects, %d errors\n", len(set.Objects), len(set.Diagnostics))
		return err
	})
	if err == nil && !set.Complete() {
		return exitError(1)
	}
	return err
}

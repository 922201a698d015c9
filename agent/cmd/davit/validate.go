package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/manifests"
)

func validateCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "validate [FILE|DIRECTORY]...",
		Short: "Check manifests without a node",
		Long: `Check manifests: syntax, fields, references between them. Nothing of the node is
looked at, so it works anywhere, such as in CI. All errors are printed, with the lines
they mean unless those are a Secret's; the exit status is 1 when there is one.

With -o json the errors are a list of file, line, column, path, message and hint; with
-o github they are annotations of a workflow on GitHub.`,
		Example: `  davit validate
  davit validate web.yaml base/
  davit validate -o github .`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{s.manifests}
			}
			files, err := readFiles(args)
			if err != nil {
				return err
			}
			return s.printValidation(cmd, files, manifests.Load(files, manifests.Options{}))
		},
	}
}

// validation is what validate prints as data.
type validation struct {
	Valid       bool                  `json:"valid"`
	Objects     []string              `json:"objects"`
	Diagnostics manifests.Diagnostics `json:"diagnostics"`
}

func (s *settings) printValidation(cmd *cobra.Command, files []manifests.File, set *manifests.Set) error {
	result := validation{Valid: set.Complete(), Objects: []string{}, Diagnostics: set.Diagnostics}
	if result.Diagnostics == nil {
		result.Diagnostics = manifests.Diagnostics{}
	}
	for _, object := range set.Objects {
		result.Objects = append(result.Objects, object.Ref().String())
	}
	var err error
	if s.output == "github" {
		err = printAnnotations(cmd.OutOrStdout(), set.Diagnostics)
	} else {
		err = s.print(cmd.OutOrStdout(), result, func() error {
			newExcerpts(cmd.ErrOrStderr(), files).print(set.Diagnostics)
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d objects, %d errors\n", len(set.Objects), len(set.Diagnostics))
			return err
		})
	}
	if err == nil && !set.Complete() {
		return exitError(1)
	}
	return err
}

// Values and properties of GitHub's workflow commands are escaped differently
// (https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts).
var (
	commandValue    = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	commandProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// printAnnotations prints diagnostics so that GitHub shows them beside the lines they mean.
func printAnnotations(w io.Writer, diagnostics manifests.Diagnostics) error {
	for _, d := range diagnostics {
		_, err := fmt.Fprintf(w, "::error file=%s,line=%d,col=%d::%s\n",
			commandProperty.Replace(d.File), d.Line, d.Column, commandValue.Replace(d.Text()))
		if err != nil {
			return err
		}
	}
	return nil
}

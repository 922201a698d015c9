package main

import (
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent/facts"
	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/reconcile/resolve"
)

func validateCommand(s *settings) *cobra.Command {
	var node nodeFlags
	cmd := &cobra.Command{
		Use:   "validate [FILE|DIRECTORY]...",
		Short: "Check manifests without a node",
		Long: `Check manifests: syntax, fields, references between them, and that their objects can be
resolved and their units written. davit does not look at the node, so this works
anywhere, such as in CI. davit prints all errors, with their lines, except lines of a
Secret; the exit status is 1 if there is an error.

With -o json the errors are a list of file, line, column, path, message and hint; with
-o github they are annotations of a workflow on GitHub.

davit checks settings that are passed through to systemd against systemd 252 to 257;
without a FILE, it checks this node's manifests against the node's systemd too.

davit checks every overlay. With --config, --hostname, --label or --set it checks only the
objects of that node, with its variables.`,
		Example: `  davit validate
  davit validate web.yaml base/
  davit validate -o github .
  davit validate --hostname edge-1 --label site=berlin --set PORT=8080 .`,
		RunE: func(cmd *cobra.Command, args []string) error {
			// Most of this command's memory is in use until its end: collecting it took a quarter of the processor
			// time.
			debug.SetGCPercent(200)
			options, err := s.someNode(cmd, &node)
			if err != nil {
				return err
			}
			options.Rehearse = resolve.Rehearse
			if len(args) == 0 {
				args = []string{s.manifests}
				if options.Node == nil {
					options.Parser = facts.SystemdParser
				}
			}
			files, err := readFiles(args)
			if err != nil {
				return err
			}
			return s.printValidation(cmd, files, manifests.Load(files, options))
		},
	}
	node.add(cmd)
	return cmd
}

// validation is the output of validate as data.
type validation struct {
	Valid       bool               `json:"valid"`
	Objects     []string           `json:"objects"`
	LeftOut     []leftOut          `json:"leftOut"`
	Diagnostics object.Diagnostics `json:"diagnostics"`
}

// leftOut is an object that the node does not get.
type leftOut struct {
	Object string `json:"object"`
	Source string `json:"source"`
	Reason string `json:"reason"`
}

func (s *settings) printValidation(cmd *cobra.Command, files []manifests.File, set *manifests.Set) error {
	if s.output == "github" {
		return validity(set, printAnnotations(cmd.OutOrStdout(), set.All()))
	}
	result := validation{Valid: set.Complete(), Objects: []string{}, LeftOut: []leftOut{}, Diagnostics: object.Diagnostics{}}
	result.Diagnostics = append(result.Diagnostics, set.All()...)
	for _, object := range set.Objects {
		result.Objects = append(result.Objects, object.Ref().String())
	}
	for _, left := range set.LeftOut {
		result.LeftOut = append(result.LeftOut, leftOut{left.Ref().String(), left.Source.String(), left.Reason})
	}
	return validity(set, s.print(cmd.OutOrStdout(), result, func() error {
		newExcerpts(cmd.ErrOrStderr(), files).print(set.All())
		for _, left := range result.LeftOut {
			printLine(cmd.OutOrStdout(), "left out %s: %s", left.Object, left.Reason)
		}
		summary := fmt.Sprintf("%d objects, %d errors", len(set.Objects), len(set.Diagnostics))
		if len(set.Warnings) > 0 {
			summary += fmt.Sprintf(", %d warnings", len(set.Warnings))
		}
		return printLine(cmd.OutOrStdout(), "%s", summary)
	}))
}

// validity is validate's exit status, given that printing went well.
func validity(set *manifests.Set, err error) error {
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
func printAnnotations(w io.Writer, diagnostics object.Diagnostics) error {
	for _, d := range diagnostics {
		command := "error"
		if d.Severity == object.SeverityWarning {
			command = "warning"
		}
		err := printLine(w, "::%s file=%s,line=%d,col=%d::%s",
			command, commandProperty.Replace(d.File), d.Line, d.Column, commandValue.Replace(d.Text()))
		if err != nil {
			return err
		}
	}
	return nil
}

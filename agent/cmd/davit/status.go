package main

import (
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent"
	"github.com/davit-project/davit/reconcile"
)

func statusCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show what runs, and what differs from the manifests",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.withNode(cmd, func(node *agent.Node, from source) error {
				report, err := node.Report(cmd.Context(), from.set, from.guard)
				if err != nil {
					return err
				}
				return s.print(cmd.OutOrStdout(), report, func() error { return printReport(cmd.OutOrStdout(), report) })
			})
		},
	}
}

func printReport(w io.Writer, report agent.Report) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "OBJECT\tSTATE\tREADY\tSINCE\tIMAGE\tNOTE")
	for _, object := range report.Objects {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", reconcile.Subject(object.Object, object.Unit), object.State,
			ready(object), since(object.Since), object.Image, cmp.Or(object.Note, object.Status))
		for _, run := range object.Runs {
			fmt.Fprintf(table, "  run\t%s\t\t%s\t\t\n", runState(run), since(&run.Started))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, name := range report.Orphans {
		fmt.Fprintf(w, "Volume/%s is kept, though no manifest has it: /var/lib/davit/volumes/%s\n", name, name)
	}
	for _, diagnostic := range report.Diagnostics {
		fmt.Fprintln(w, diagnostic)
	}
	return nil
}

// ready is what the readiness probe comes to: unknown when the agent, which makes it, is not there.
func ready(object agent.ObjectReport) string {
	switch {
	case !object.Probed:
		return "-"
	case object.Ready == nil:
		return "unknown"
	case *object.Ready:
		return "yes"
	default:
		return "no"
	}
}

// runState says how a run of a job ended, and how long it took.
func runState(run agent.Run) string {
	if run.Ended == nil {
		return "goes on"
	}
	state := run.Result
	if run.Exit != "" {
		state += " " + run.Exit
	}
	return fmt.Sprintf("%s (%s)", state, run.Ended.Sub(run.Started).Round(time.Second))
}

func since(at *time.Time) string {
	if at == nil {
		return "-"
	}
	return time.Since(*at).Round(time.Second).String()
}

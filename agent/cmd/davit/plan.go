package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent"
	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/reconcile"
)

func planCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "Show what apply would change",
		Long: `Show what apply would change, and why. Nothing on the node is touched. The exit status
is 0 when nothing would change, 2 when something would, 1 after an error.`,
		Example: `  davit plan
  davit plan -o json --manifests ./site`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, guard, err := s.load()
			if err != nil {
				return err
			}
			node, err := agent.Open(cmd.Context(), nil)
			if err != nil {
				return err
			}
			defer node.Close()
			_, plan, err := node.Plan(cmd.Context(), set.Objects, guard)
			if err != nil {
				return err
			}
			reportDiagnostics(cmd.ErrOrStderr(), set.All())
			err = s.print(cmd.OutOrStdout(), plan, func() error { return printPlan(cmd.OutOrStdout(), plan) })
			switch {
			case err != nil:
				return err
			case len(set.Diagnostics) > 0 || plan.Refused():
				return exitError(1)
			case !plan.Empty():
				return exitError(2)
			}
			return nil
		},
	}
}

func reportDiagnostics(w io.Writer, diagnostics manifests.Diagnostics) {
	for _, diagnostic := range diagnostics {
		fmt.Fprintln(w, diagnostic)
	}
}

func printPlan(w io.Writer, plan reconcile.Plan) error {
	for _, action := range plan.Actions {
		fmt.Fprintf(w, "%-15s %s: %s\n", action.Verb, action.Object, action.Reason)
	}
	for _, held := range plan.Held {
		fmt.Fprintf(w, "%-15s %s: %s\n", "held", held.Object, held.Reason)
	}
	_, err := fmt.Fprintf(w, "%d actions, %d workloads unchanged, %d held back\n", len(plan.Actions), plan.Unchanged, len(plan.Held))
	return err
}

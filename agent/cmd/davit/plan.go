//go:build linux

package main

import (
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent"
	"github.com/davit-project/davit/manifests/object"
	"github.com/davit-project/davit/manifests/policy"
	"github.com/davit-project/davit/reconcile"
)

func planCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "Show the changes that apply would make",
		Long: `Show the changes that apply would make, with reasons. davit touches nothing on the node. The exit
status is 0 if there are no changes, 2 if there are changes, 1 after an error.`,
		Example: `  davit plan
  davit plan -o json --manifests ./site`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.withNode(cmd, func(node *agent.Node, from source) error { return s.plan(cmd, node, from) })
		},
	}
}

func (s *settings) plan(cmd *cobra.Command, node *agent.Node, from source) error {
	plan, err := node.Plan(cmd.Context(), from.set, from.guard)
	if err != nil {
		return err
	}
	reportDiagnostics(cmd.ErrOrStderr(), from.set.All())
	planned := planned{plan, exposuresOf(plan, from.set.Objects)}
	err = s.print(cmd.OutOrStdout(), planned, func() error { return printPlan(cmd.OutOrStdout(), planned) })
	switch {
	case err != nil:
		return err
	case len(from.set.Diagnostics) > 0 || plan.Refused():
		return exitError(1)
	case !plan.Empty():
		return exitError(2)
	}
	return nil
}

func reportDiagnostics(w io.Writer, diagnostics object.Diagnostics) {
	for _, diagnostic := range diagnostics {
		printLine(w, "%s", diagnostic)
	}
}

// planned is the output of plan as data.
type planned struct {
	reconcile.Plan
	// Exposures are the requests of changed objects to the host.
	Exposures []exposure `json:"exposures,omitempty"`
}

// exposure is one thing that an object asks of the host.
type exposure struct {
	Object  string `json:"object"`
	Path    string `json:"path"`
	Message string `json:"message"`
}

func exposuresOf(plan reconcile.Plan, objects []object.Object) []exposure {
	var exposures []exposure
	for _, object := range objects {
		name := object.Ref().String()
		if !slices.ContainsFunc(plan.Actions, func(a reconcile.Action) bool { return a.Object == name }) {
			continue
		}
		for _, found := range policy.Exposures(object.Object) {
			exposures = append(exposures, exposure{name, found.Path, found.Message})
		}
	}
	return exposures
}

func printPlan(w io.Writer, plan planned) error {
	for _, action := range plan.Actions {
		printLine(w, "%-15s %s: %s", action.Verb, action.Subject(), action.Reason)
	}
	for _, held := range plan.Held {
		printLine(w, "%-15s %s: %s", "held", held.Object, held.Reason)
	}
	for _, notice := range plan.Notices {
		printLine(w, "%-15s %s: %s", "ignores", notice.Object, notice.Message)
	}
	for _, e := range plan.Exposures {
		printLine(w, "%-15s %s: %s: %s", "exposes", e.Object, e.Path, e.Message)
	}
	return printLine(w, "%d actions, %d workloads unchanged, %d held back", len(plan.Actions), plan.Unchanged, len(plan.Held))
}

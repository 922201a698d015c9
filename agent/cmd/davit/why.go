//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent"
	"github.com/davit-project/davit/reconcile"
)

func whyCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "why NAME",
		Short: "Explain the state of an object",
		Long: `Explain the state of an object: the whole chain of causes, with the root cause in the first line.
A cause is an error in a manifest, an image, a dependency, an operator's decision, or the end of the
last run. Below are the units of the object, the next event and its time.`,
		Example: `  davit why web
  davit why Pod/app -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.withNode(cmd, func(node *agent.Node, from source) error { return s.why(cmd, node, from, args) })
		},
	}
}

func (s *settings) why(cmd *cobra.Command, node *agent.Node, from source, args []string) error {
	object, err := objectOf(from, args)
	if errors.Is(err, agent.ErrNoObject) {
		object, err = agent.Misfit(from.set, args[0])
	}
	if err != nil {
		return err
	}
	explanation, err := node.Why(cmd.Context(), from.set, from.guard, object)
	if err != nil {
		return fmt.Errorf("%s: %w", object, err)
	}
	return s.print(cmd.OutOrStdout(), explanation, func() error { return printWhy(cmd.OutOrStdout(), explanation) })
}

func printWhy(w io.Writer, e agent.Explanation) error {
	if len(e.Causes) == 0 {
		printLine(w, "%s: matches its manifest", e.Object)
	}
	for _, cause := range e.Causes {
		printLine(w, "%s", cause)
	}
	for _, unit := range e.Units {
		if unit.Unit != "" {
			printLine(w, "unit %s: %s, for %s", unit.Unit, unit.State, since(unit.Since))
		}
		if unit.Source != "" {
			printLine(w, "source %s", unit.Source)
		}
		if unit.Next != nil {
			printLine(w, "next: %s", unit.Next)
		}
	}
	if e.Generation > 0 {
		revision := ""
		if e.Revision != "" {
			revision = ", revision " + short(e.Revision)
		}
		printLine(w, "generation %d%s: %s", e.Generation, revision, e.Update)
	}
	for _, action := range e.Plan {
		printLine(w, "plan: %s %s: %s", action.Verb, reconcile.Subject(action.Object, action.Target), action.Reason)
	}
	return nil
}

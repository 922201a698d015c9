//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/compare"
	"github.com/davit-project/davit/reconcile/history"
)

func historyCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "history",
		Short: "Show the applied generations, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			node, err := agent.Open(cmd.Context(), agent.ForLook)
			if err != nil {
				return err
			}
			defer node.Close()
			generations, err := node.History()
			if err != nil {
				return err
			}
			if generations == nil {
				generations = []history.Generation{}
			}
			return s.print(cmd.OutOrStdout(), generations, func() error { return printHistory(cmd.OutOrStdout(), generations) })
		},
	}
}

func printHistory(w io.Writer, generations []history.Generation) error {
	table := newTable(w, "GENERATION", "AGE", "OBJECTS", "STATE", "REVISION", "NOTE")
	for _, g := range generations {
		table.row(g.Number, since(&g.Began), len(g.Objects), stateOf(g), short(g.Revision), noteOf(g))
	}
	return table.columns.Flush()
}

// stateOf is a generation's state, with how many objects are confirmed while that is not all.
func stateOf(g history.Generation) string {
	if g.State != history.Applying {
		return string(g.State)
	}
	return fmt.Sprintf("%s (%s)", g.State, g.Summary())
}

// short is a commit as git shows it.
func short(revision string) string { return revision[:min(len(revision), 12)] }

// noteOf is the note on a generation, in a line.
func noteOf(g history.Generation) string {
	for _, reasons := range []map[string]string{g.Failed, g.Unconfirmed} {
		for _, object := range slices.Sorted(maps.Keys(reasons)) {
			return object + ": " + reasons[object]
		}
	}
	return g.Note
}

func diffCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "diff [N [M]]",
		Short: "Show the changes from generation N to M",
		Long: `Show the changes from generation N to M. Without M, show the changes from N to the newest one;
without both, the changes of the newest one.`,
		Example: `  davit diff
  davit diff 3
  davit diff 3 5`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			node, err := agent.Open(cmd.Context(), agent.ForLook)
			if err != nil {
				return err
			}
			defer node.Close()
			before, after, err := twoGenerations(node, args)
			if err != nil {
				return err
			}
			differences, err := node.Compare(before, after)
			if err != nil {
				return err
			}
			if differences == nil {
				differences = []compare.Difference{}
			}
			return s.print(cmd.OutOrStdout(), differences, func() error { return printDifferences(cmd.OutOrStdout(), differences) })
		},
	}
}

func printDifferences(w io.Writer, differences []compare.Difference) error {
	for _, d := range differences {
		printLine(w, "%s: %s", reconcile.Subject(d.Object, d.Unit), d.Change)
	}
	return nil
}

// twoGenerations are those that the arguments name, or that they mean.
func twoGenerations(node *agent.Node, args []string) (before, after int, err error) {
	generations, err := node.History()
	if err != nil {
		return 0, 0, err
	}
	if len(generations) < 2 && len(args) == 0 {
		return 0, 0, fmt.Errorf("there are no two generations to compare: see davit history")
	}
	var numbers []int
	for _, arg := range args {
		number, err := strconv.Atoi(arg)
		if err != nil || !slices.ContainsFunc(generations, func(g history.Generation) bool { return g.Number == number }) {
			return 0, 0, fmt.Errorf("there is no generation %s: see davit history", arg)
		}
		numbers = append(numbers, number)
	}
	switch len(numbers) {
	case 0:
		return generations[1].Number, generations[0].Number, nil
	case 1:
		return numbers[0], generations[0].Number, nil
	default:
		return numbers[0], numbers[1], nil
	}
}

//go:build linux

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/units/bundle"
	"github.com/davit-project/davit/units/names"
)

func attachCommand() *cobra.Command {
	var keys string
	cmd := &cobra.Command{
		Use:   "attach NAME",
		Short: "Join a container's terminal, or follow its output",
		Long: `Join the terminal of a container whose manifest has tty: true, and show its output from now on.
The detach keys detach from it; the container keeps running. davit logs shows earlier output.

A container without a terminal has no standard input: then davit follows its output until
ctrl-c.`,
		Example: `  davit attach game
  davit attach --detach-keys ctrl-a,d game`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeRunning,
		RunE: func(cmd *cobra.Command, args []string) error {
			unit, err := findRunning(args[0])
			if err != nil {
				return err
			}
			b, err := unit.bundle()
			if err != nil {
				return err
			}
			if b.Spec.Process.Terminal {
				return becomeLauncher([]string{"attach", "--detach-keys", keys, unit.ID})
			}
			if b.Output == bundle.OutputNone {
				return fmt.Errorf("%s has no terminal, and its output goes nowhere: its manifest says logging: {driver: none}", args[0])
			}
			printLine(cmd.ErrOrStderr(), "davit: %s has no terminal: its output follows, its standard input is empty", args[0])
			command := []string{"journalctl", "--unit", names.Service(unit.ID), "--output", "cat", "--follow", "--lines", "0"}
			return showJournal(cmd, command, false)
		},
	}
	addDetachKeys(cmd, &keys)
	return cmd
}

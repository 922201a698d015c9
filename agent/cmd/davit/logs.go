//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent/terminal"
	"github.com/davit-project/davit/units/names"
)

// logsFlags are logs' own.
type logsFlags struct {
	follow, timestamps  bool
	raw                 bool
	lines, since, until string
}

func logsCommand(s *settings) *cobra.Command {
	var f logsFlags
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Show a container's journal",
		Long: `Show the output of a container, from the journal. NAME is a container, one of a pod as
POD/CONTAINER, or an object with several containers, whose lines are shown in the order of
their times. For a removed container, use its unit's name. -o json prints the fields of the
journal, one line an entry.

On a terminal, davit escapes control characters: a container could write commands for the terminal.
--raw prints everything unescaped, colours included.`,
		Example: `  davit logs -f web
  davit logs -n 20 -t app/db
  davit logs --since "10 min ago" -o json web`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := find(args[0])
			gone := names.ID(args[0])
			if err != nil && hasEntries(gone) {
				found, err = []ownUnit{{ID: gone}}, nil
			}
			if err != nil {
				return err
			}
			command, err := f.journalctl(s.output)
			if err != nil {
				return err
			}
			for _, unit := range found {
				command = append(command, "--unit", names.Service(unit.ID))
			}
			return showJournal(cmd, command, f.raw)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&f.follow, "follow", "f", false, "follow new lines")
	flags.BoolVarP(&f.timestamps, "timestamps", "t", false, "begin each line with its time")
	flags.BoolVar(&f.raw, "raw", false, "do not escape control characters on a terminal")
	flags.StringVarP(&f.lines, "lines", "n", "", "only the last lines")
	flags.StringVar(&f.since, "since", "", `only since then, as journalctl takes it: "10 min ago"`)
	flags.StringVar(&f.until, "until", "", "only until then")
	return cmd
}

// showJournal runs journalctl, and escapes its output on a terminal.
func showJournal(cmd *cobra.Command, command []string, raw bool) error {
	out := cmd.OutOrStdout()
	if !terminal.Is(out) {
		return become(command)
	}
	// Without --all, it shows no text at all in place of one with control characters. A pager has escapes of its own.
	command = append(command, "--all", "--no-pager")
	if raw {
		return become(command)
	}
	return runEscaped(cmd.Context(), command, out, cmd.ErrOrStderr())
}

// runEscaped runs a command, and escapes its output.
func runEscaped(ctx context.Context, command []string, out, errs io.Writer) error {
	escaped := exec.CommandContext(ctx, command[0], command[1:]...)
	escaping := terminal.NewWriter(terminal.Raw(out))
	escaped.Stdout, escaped.Stderr = escaping, errs
	err := errors.Join(escaped.Run(), escaping.Flush())
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return exitError(max(ended.ExitCode(), 1))
	}
	return err
}

// hasEntries reports whether the journal has lines of a container that may be gone.
func hasEntries(id string) bool {
	entry, err := exec.Command("journalctl", "--quiet", "--lines", "1", "--output", "cat", "CONTAINER_NAME="+id).Output()
	return err == nil && len(entry) > 0
}

// journalctl is the command that shows entries as the flags say; of which units is left to add.
func (f logsFlags) journalctl(output string) ([]string, error) {
	command := []string{"journalctl", "--output"}
	switch {
	case output == "json":
		command = append(command, "json")
	case output != "text":
		return nil, fmt.Errorf("--output %s: logs are text or json", output)
	case f.timestamps:
		command = append(command, "short-iso-precise")
	default:
		command = append(command, "cat")
	}
	if f.follow {
		command = append(command, "--follow")
	}
	for _, option := range []struct{ name, value string }{{"--lines", f.lines}, {"--since", f.since}, {"--until", f.until}} {
		if option.value != "" {
			command = append(command, option.name, option.value)
		}
	}
	return command, nil
}

package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/davit-project/davit/agent"
	"github.com/davit-project/davit/units"
)

func logsCommand() *cobra.Command {
	var follow bool
	var lines, since string
	cmd := &cobra.Command{
		Use:               "logs NAME",
		Short:             "Show a container's journal",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames,
		RunE: func(_ *cobra.Command, args []string) error {
			command := []string{"journalctl", "--unit", unitName(args[0]), "--output", "cat"}
			if follow {
				command = append(command, "--follow")
			}
			if lines != "" {
				command = append(command, "--lines", lines)
			}
			if since != "" {
				command = append(command, "--since", since)
			}
			return become(command)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is written later")
	cmd.Flags().StringVarP(&lines, "lines", "n", "", "only the last lines")
	cmd.Flags().StringVar(&since, "since", "", `only since then, as journalctl takes it: "10 min ago"`)
	return cmd
}

func execCommand() *cobra.Command {
	var user, workingDir string
	var env []string
	var terminal bool
	cmd := &cobra.Command{
		Use:   "exec NAME -- COMMAND [ARG]...",
		Short: "Run a command in a running container",
		Example: `  davit exec web -- nginx -t
  davit exec --tty db -- psql -U postgres`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: completeNames,
		RunE: func(_ *cobra.Command, args []string) error {
			launcher, err := agent.Launcher()
			if err != nil {
				return err
			}
			command := []string{launcher, "exec"}
			if terminal {
				if !term.IsTerminal(int(os.Stdin.Fd())) {
					return fmt.Errorf("--tty needs a terminal on standard input")
				}
				command = append(command, "--tty")
			}
			if user != "" {
				command = append(command, "--user", user)
			}
			if workingDir != "" {
				command = append(command, "--workdir", workingDir)
			}
			for _, entry := range env {
				command = append(command, "--env", entry)
			}
			inside := args[1:]
			if inside[0] == "--" {
				inside = inside[1:]
			}
			command = append(command, strings.TrimSuffix(args[0], ".service"), "--")
			return become(append(command, inside...))
		},
	}
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().BoolVarP(&terminal, "tty", "t", false, "give the command a terminal")
	cmd.Flags().StringVarP(&user, "user", "u", "", "run as user[:group]")
	cmd.Flags().StringVarP(&workingDir, "workdir", "w", "", "run in this directory")
	cmd.Flags().StringArrayVarP(&env, "env", "e", nil, "set NAME=VALUE; may be repeated")
	return cmd
}

// become replaces this process by a command.
func become(command []string) error {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	if err := unix.Exec(path, command, os.Environ()); err != nil {
		return fmt.Errorf("run %s: %w", command[0], err)
	}
	return nil
}

func unitName(name string) string { return strings.TrimSuffix(name, ".service") + ".service" }

// completeNames offers the containers on this node to the shell.
func completeNames(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	own, err := units.List()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for name := range own {
		names = append(names, strings.TrimSuffix(name, ".service"))
	}
	slices.Sort(names)
	return names, cobra.ShellCompDirectiveNoFileComp
}

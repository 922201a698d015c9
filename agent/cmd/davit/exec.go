//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/davit-project/davit/agent"
)

// defaultDetachKeys are Docker's and Podman's.
const defaultDetachKeys = "ctrl-p,ctrl-q"

// execFlags are exec's own.
type execFlags struct {
	interactive, terminal  bool
	user, workingDir, keys string
	env                    []string
}

func execCommand() *cobra.Command {
	var f execFlags
	cmd := &cobra.Command{
		Use:   "exec NAME -- COMMAND [ARG]...",
		Short: "Run a command in a running container",
		Long: `Run a command in a running container, with the rights, limits and environment of its main
process. NAME is a container, or one of a pod as POD/CONTAINER.

The exit status is that of the command, 128 plus the signal's number if a signal ended it, 126
if it could not be executed, 127 if it was not found, 125 for an error in davit.`,
		Example: `  davit exec web -- nginx -t
  davit exec -it app/db -- psql -U postgres
  davit exec -i db -- psql < dump.sql`,
		Args:              execArgs,
		ValidArgsFunction: completeRunning,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := f.exec(args[0], args[1:]); err != nil {
				return statusError{err, execStatus}
			}
			return nil
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return statusError{err, execStatus} })
	flags := cmd.Flags()
	flags.SetInterspersed(false)
	flags.BoolVarP(&f.interactive, "interactive", "i", false, "pass standard input to the command")
	flags.BoolVarP(&f.terminal, "tty", "t", false, "give the command a terminal")
	flags.StringVarP(&f.user, "user", "u", "", "run as user[:group], names or numbers")
	flags.StringVarP(&f.workingDir, "workdir", "w", "", "run in this directory")
	flags.StringArrayVarP(&f.env, "env", "e", nil, "set NAME=VALUE, or NAME as it is here; may be repeated")
	addDetachKeys(cmd, &f.keys)
	return cmd
}

// execStatus distinguishes an error of davit itself from the command's exit status.
const execStatus = 125

func addDetachKeys(cmd *cobra.Command, keys *string) {
	cmd.Flags().StringVar(keys, "detach-keys", defaultDetachKeys, `keys that detach from a terminal and leave the command running; "" for none`)
}

// execArgs wants a name and a command; -- between them may be left out.
func execArgs(_ *cobra.Command, args []string) error {
	if len(args) < 2 || len(args) == 2 && args[1] == "--" {
		return statusError{fmt.Errorf("want the name of a container and a command: davit exec NAME -- COMMAND"), execStatus}
	}
	return nil
}

func (f execFlags) exec(name string, command []string) error {
	unit, err := findRunning(name)
	if err != nil {
		return err
	}
	options := []string{"exec", "--detach-keys", f.keys, "--user", f.user, "--workdir", f.workingDir}
	if f.interactive {
		options = append(options, "--interactive")
	}
	if f.terminal {
		options = append(options, "--tty")
	}
	for _, entry := range f.env {
		if !strings.Contains(entry, "=") {
			value, set := os.LookupEnv(entry)
			if !set {
				continue
			}
			entry += "=" + value
		}
		options = append(options, "--env", entry)
	}
	if command[0] == "--" {
		command = command[1:]
	}
	return becomeLauncher(append(append(options, unit.ID, "--"), command...))
}

// becomeLauncher replaces this process by davit-run, which can start processes in
// containers.
func becomeLauncher(args []string) error {
	launcher, err := agent.Launcher()
	if err != nil {
		return err
	}
	return become(append([]string{launcher}, args...))
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

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent/transfer"
	"github.com/davit-project/davit/units/names"
	"github.com/davit-project/davit/units/systemd"
)

func cpCommand() *cobra.Command {
	var options transfer.Options
	cmd := &cobra.Command{
		Use:   "cp SOURCE DESTINATION",
		Short: "Copy files between the node and running containers",
		Long: `Copy a file or a directory from the node to a running container, back, or from one container
to another. A path in a container is NAME:PATH, where NAME is a container, or one of a pod as
POD/CONTAINER; a path of the node that looks like one begins with ./ or /. On one side - is a
tar stream.

If the destination is an existing directory, davit copies into it; SOURCE/. means the content of a
directory. If SOURCE is a symbolic link, its target is copied; links below it are copied as links.
Files in a container belong to the user of its main process, files on the node to root and without
set-user-id bits; --archive preserves owners and all bits. davit reads and writes nothing outside the
container, even if the container changes its files meanwhile.`,
		Example: `  davit cp nginx.conf web:/etc/nginx/nginx.conf
  davit cp app/db:/var/lib/postgresql/data ./data
  davit cp web:/var/log - | tar -t`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completePaths,
		RunE: func(cmd *cobra.Command, args []string) error {
			options.Skipped = reportSkipped(cmd.ErrOrStderr())
			done := make(chan error, 1)
			go func() { done <- copyFiles(cmd.Context(), args[0], args[1], options) }()
			var err error
			select {
			case err = <-done:
			case <-cmd.Context().Done():
				// It ends with this process: a read from a terminal cannot be cancelled.
				err = context.Cause(cmd.Context())
			}
			if err != nil {
				return fmt.Errorf("copy %s to %s: %w", args[0], args[1], err)
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&options.Owners, "archive", "a", false, "preserve owners, and set-user-id bits on the node")
	return cmd
}

// reportSkipped prints the paths that are not copied.
func reportSkipped(w io.Writer) func(name, why string) {
	return func(name, why string) { printLine(w, "davit: skipped %s: %s", name, why) }
}

// containerPath is NAME:PATH.
var containerPath = regexp.MustCompile(`^([a-z0-9][a-z0-9@-]*(?:\.service)?(?:/[a-z0-9][a-z0-9@-]*)?):(.*)$`)

// splitPath splits NAME:PATH; the name is empty for a path of the node.
func splitPath(argument string) (name, path string) {
	if match := containerPath.FindStringSubmatch(argument); match != nil {
		return match[1], match[2]
	}
	return "", argument
}

func copyFiles(ctx context.Context, source, destination string, options transfer.Options) error {
	fromName, fromPath := splitPath(source)
	toName, toPath := splitPath(destination)
	switch {
	case fromName == "" && toName == "":
		return errors.New("neither is in a container: want NAME:PATH on one side")
	case fromName != "" && fromPath == "", toName != "" && toPath == "":
		return errors.New("there is no path after the colon")
	case fromName == toName:
		return fmt.Errorf("both are in one container: davit exec %s -- cp", fromName)
	}
	from, err := openPlace(ctx, fromName)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := openPlace(ctx, toName)
	if err != nil {
		return err
	}
	defer to.Close()
	switch {
	case source == "-":
		return transfer.Unpack(os.Stdin, to, toPath, options)
	case destination == "-" && isTerminal(os.Stdout):
		return errors.New("a tar stream is nothing for a terminal: redirect standard output")
	case destination == "-":
		return transfer.Pack(from, fromPath, os.Stdout, options)
	default:
		return transfer.Copy(from, fromPath, to, toPath, options)
	}
}

// openPlace opens the file system of a running container; no name is the node.
func openPlace(ctx context.Context, name string) (*transfer.Place, error) {
	if name == "" {
		return &transfer.Place{}, nil
	}
	unit, err := findRunning(name)
	if err != nil {
		return nil, err
	}
	systemd, err := systemd.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer systemd.Close()
	state, err := systemd.State(ctx, names.Service(unit.ID))
	if err != nil {
		return nil, err
	}
	place, err := transfer.Container(state.MainPID, state.ControlGroup)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return place, nil
}

// completePaths offers NAME:, and the node's files where no name begins so.
func completePaths(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	names, _ := completeWhere(nil, ownUnit.runs)
	var paths []string
	for _, name := range names {
		if strings.HasPrefix(name, begun) {
			paths = append(paths, name+":")
		}
	}
	return paths, cobra.ShellCompDirectiveNoSpace
}

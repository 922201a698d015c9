//go:build linux

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent"
)

func rollbackCommand(s *settings) *cobra.Command {
	f := applyFlags{timeout: defaultTimeout}
	cmd := &cobra.Command{
		Use:   "rollback [N]",
		Short: "Return the node to generation N",
		Long: `Return the node to generation N, or to the last one before the newest in which all
objects that have changed since were confirmed. The node stays there until the manifests change, or
until davit resume. davit pulls nothing: the images of retained generations are on the node.`,
		Example: `  davit history
  davit rollback
  davit rollback 3`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			number := 0
			if len(args) > 0 {
				var err error
				if number, err = strconv.Atoi(args[0]); err != nil || number < 1 {
					return fmt.Errorf("%s: want the number of a generation: see davit history", args[0])
				}
			}
			return s.run(cmd, f, func(node *agent.Node, from source) error {
				number, err := node.RollBack(from.set, number)
				if err == nil {
					printLine(cmd.ErrOrStderr(), "to generation %d, until the manifests change or davit resume", number)
				}
				return err
			})
		},
	}
	waitFlags(cmd, &f)
	return cmd
}

func resumeCommand(s *settings) *cobra.Command {
	f := applyFlags{timeout: defaultTimeout}
	cmd := &cobra.Command{
		Use:   "resume [NAME]",
		Short: "Apply the manifests again, after suspend or rollback",
		Long: `Apply the manifests again, of an object or of the node: a suspension ends, a rollback
ends, and davit tries a failed version again. With --wait the command returns when each object
has a verdict; the exit status is 1 when a version failed again.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.run(cmd, f, func(node *agent.Node, from source) error {
				object, err := objectOf(from, args)
				if err != nil {
					return err
				}
				return node.Resume(object)
			})
		},
	}
	waitFlags(cmd, &f)
	return cmd
}

func suspendCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "suspend [NAME]",
		Short: "Pause changes, for the node or for one object",
		Long: `Pause changes, for the node or for one object, until davit resume, also through reboots. Running
containers keep running, and systemctl works as usual.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := s.load()
			if err != nil {
				return err
			}
			node, err := s.open(cmd.Context(), nil)
			if err != nil {
				return err
			}
			defer node.Close()
			object, err := objectOf(from, args)
			if err != nil {
				return err
			}
			return decide(cmd.Context(), cmd.ErrOrStderr(), func() error { return node.Suspend(object) })
		},
	}
}

// objectOf is the object, wanted or there, that the argument names, "web" or "Container/web"; ""
// without one.
func objectOf(from source, args []string) (string, error) {
	if len(args) == 0 {
		return "", nil
	}
	units, err := ownUnits()
	if err != nil {
		return "", err
	}
	var objects []string
	for _, object := range from.set.Objects {
		objects = append(objects, object.Ref().String())
	}
	for _, unit := range units {
		objects = append(objects, unit.Object)
	}
	slices.Sort(objects)
	objects = slices.DeleteFunc(slices.Compact(objects), func(object string) bool {
		_, name, _ := strings.Cut(object, "/")
		return object != args[0] && name != args[0]
	})
	switch len(objects) {
	case 0:
		return "", fmt.Errorf("%s: %w", args[0], agent.ErrNoObject)
	case 1:
		return objects[0], nil
	default:
		return "", fmt.Errorf("%q may mean %s: say which", args[0], strings.Join(objects, " or "))
	}
}

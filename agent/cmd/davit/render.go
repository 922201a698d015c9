//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent"
	"github.com/davit-project/davit/manifests"
	v1 "github.com/davit-project/davit/manifests/v1"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/units"
)

func renderCommand(s *settings) *cobra.Command {
	var pretended nodeFlags
	cmd := &cobra.Command{
		Use:   "render [FILE|DIRECTORY]...",
		Short: "Print the objects, units and bundles of manifests",
		Long: `Print the results of manifests on this node: objects with overlays and variables applied,
units, bundles. davit reads the configuration of images
from their registry or from the node; it pulls and changes nothing.

With --hostname, --label and --set, davit prints the results for a node with those.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{s.manifests}
			}
			options, _, err := s.thisNode()
			if err != nil {
				return err
			}
			if *options.Node, err = pretended.laidOver(*options.Node); err != nil {
				return err
			}
			set, err := loadFiles(args, options)
			if err != nil {
				return err
			}
			if err := set.Diagnostics.Err(); err != nil {
				return err
			}
			node, err := agent.Open(cmd.Context(), agent.ForChange)
			if err != nil {
				return err
			}
			defer node.Close()
			node.AskRegistries(cmd.Context(), set)
			desired, err := node.Resolve(set)
			if err != nil {
				return err
			}
			for _, problem := range desired.Problems {
				return fmt.Errorf("%s: %w", problem.Ref, problem.Err)
			}
			rendered, err := render(set, desired)
			if err != nil {
				return err
			}
			return s.print(cmd.OutOrStdout(), rendered, func() error { return printRendered(cmd.OutOrStdout(), rendered) })
		},
	}
	pretended.add(cmd)
	return cmd
}

// rendering is the result of rendering one object.
type rendering struct {
	// Object is the object as it was resolved for the node: overlays merged, variables replaced,
	// Kubernetes' kinds turned into davit's.
	Object v1.Object       `json:"object"`
	Unit   string          `json:"unit"`
	Bundle json.RawMessage `json:"bundle"`
}

// render renders the resolved objects, by unit.
func render(set *manifests.Set, desired reconcile.Desired) (map[string]rendering, error) {
	objects := map[v1.Ref]v1.Object{}
	for _, object := range set.Objects {
		objects[object.Ref()] = object.Object
	}
	rendered := map[string]rendering{}
	for name, workload := range desired.Workloads {
		r := rendering{Object: objects[workload.Ref], Unit: units.OnDisk(workload.UnitText)}
		if workload.Bundle != nil {
			text, err := workload.Bundle.Encode()
			if err != nil {
				return nil, err
			}
			r.Bundle = text
		}
		rendered[name] = r
	}
	return rendered, nil
}

func printRendered(w io.Writer, rendered map[string]rendering) error {
	for _, name := range slices.Sorted(maps.Keys(rendered)) {
		r := rendered[name]
		object, err := toYAML(r.Object)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "# object of %[1]s\n%[2]s\n# %[1]s\n%[3]s\n# bundle of %[1]s\n%[4]s\n", name, object, r.Unit, r.Bundle); err != nil {
			return err
		}
	}
	return nil
}

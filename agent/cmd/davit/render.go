package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent"
)

func renderCommand(s *settings) *cobra.Command {
	var pretended nodeFlags
	cmd := &cobra.Command{
		Use:   "render [FILE|DIRECTORY]...",
		Short: "Print the units and bundles that manifests become",
		Long: `Print the units and bundles that manifests become on this node. Images are asked for
their configuration, at their registry or on the node; nothing is pulled or changed.

With --hostname, --label and --set they become what they would be on a node with those.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{s.manifests}
			}
			options, err := s.thisNode()
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
			node, err := agent.Open(cmd.Context(), nil)
			if err != nil {
				return err
			}
			defer node.Close()
			desired, err := node.Resolve(cmd.Context(), set.Objects)
			if err != nil {
				return err
			}
			for _, problem := range desired.Problems {
				return fmt.Errorf("%s: %w", problem.Ref, problem.Err)
			}
			rendered := map[string]rendering{}
			for name, workload := range desired.Workloads {
				rendered[name] = rendering{workload.UnitText, workload.BundleText}
			}
			return s.print(cmd.OutOrStdout(), rendered, func() error { return printRendered(cmd, rendered) })
		},
	}
	pretended.add(cmd)
	return cmd
}

// rendering is what one object becomes.
type rendering struct {
	Unit   string          `json:"unit"`
	Bundle json.RawMessage `json:"bundle"`
}

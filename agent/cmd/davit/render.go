package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent"
)

func renderCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "render [FILE|DIRECTORY]...",
		Short: "Print the units and bundles that manifests become",
		Long: `Print the units and bundles that manifests become on this node. Images are asked for
their configuration, at their registry or on the node; nothing is pulled or changed.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{s.manifests}
			}
			set, err := loadFiles(args)
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
}

// rendering is what one object becomes.
type rendering struct {
	Unit   string          `json:"unit"`
	Bundle json.RawMessage `json:"bundle"`
}

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent/facts"
)

// defaultManifests is the directory of manifests unless --manifests is set.
const defaultManifests = "/etc/davit/manifests"

// settings are the flags that most commands share.
type settings struct {
	manifests string
	config    string
	policy    string
	owner     string
	output    string
}

func rootCommand() *cobra.Command {
	var s settings
	root := &cobra.Command{
		Use:   "davit",
		Short: "Run containers as plain systemd services, from YAML manifests",
		Long: `davit lowers YAML manifests into systemd units.

Manifests are in a directory. davit compares them with the
node, pulls images, makes networks and volumes, and writes systemd units; systemd
runs the containers. No davit process is needed while they run.`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		DisableAutoGenTag: true,
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&s.manifests, "manifests", "m", defaultManifests, "the manifest directory")
	flags.StringVar(&s.config, "config", facts.DefaultConfig, "the node's configuration: labels and variables")
	flags.StringVar(&s.policy, "policy", facts.DefaultPolicy, "the policy for manifests: a file, or privileged, baseline or restricted")
	flags.StringVar(&s.owner, "owner", "", "a user beside root whose manifests count, such as davit-git")
	flags.StringVarP(&s.output, "output", "o", "text", "how to print: text, json or yaml")
	root.AddCommand(validateCommand(&s), explainCommand(), schemaCommand(), versionCommand(&s))
	root.AddCommand(nodeCommands(&s)...)
	return root
}

func versionCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print davit's version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.print(cmd.OutOrStdout(), map[string]string{"version": version}, func() error {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "davit", version)
				return err
			})
		},
	}
}

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent/facts"
	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/fleet"
)

// nodeFlags describe a node other than the one davit runs on.
type nodeFlags struct {
	hostname  string
	labels    []string
	variables []string
}

func (f *nodeFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.hostname, "hostname", "", "the node's name, which picks a folder of nodes/")
	flags.StringArrayVar(&f.labels, "label", nil, "a label of the node, KEY=VALUE")
	flags.StringArrayVar(&f.variables, "set", nil, "a variable of the node, NAME=VALUE")
}

// laidOver returns the node as the flags describe it.
func (f *nodeFlags) laidOver(node fleet.Node) (fleet.Node, error) {
	labels := map[string]string{}
	for _, label := range f.labels {
		key, value, ok := strings.Cut(label, "=")
		if !ok {
			return node, fmt.Errorf("--label %s: want KEY=VALUE", label)
		}
		labels[key] = value
	}
	variables := map[string]fleet.Variable{}
	for _, variable := range f.variables {
		name, value, ok := strings.Cut(variable, "=")
		if !ok {
			return node, fmt.Errorf("--set %s: want NAME=VALUE", variable)
		}
		variables[name] = fleet.ParseVariable(value)
	}
	if f.hostname != "" {
		named := fleet.Facts{Hostname: f.hostname}.Node()
		node = node.With(named.Labels, named.Variables)
		node.Hostname = f.hostname
	}
	return node.With(labels, variables), nil
}

// thisNode loads for the node davit runs on.
func (s *settings) thisNode() (manifests.Options, fleet.Config, error) {
	node, config, err := facts.Read(s.config)
	return manifests.Options{Node: &node, RefuseUnsupported: config.RefuseUnsupported, ExtendedResources: config.ExtendedResources, Parser: facts.SystemdParser}, config, err
}

// someNode loads for the node that the flags describe, and for none in particular when there
// are none.
func (s *settings) someNode(cmd *cobra.Command, f *nodeFlags) (manifests.Options, error) {
	var options manifests.Options
	if cmd.Flags().Changed("policy") {
		var err error
		if options.Policy, err = facts.ReadPolicy(s.policy, facts.Anyone); err != nil {
			return options, err
		}
	}
	configured := cmd.Flags().Changed("config")
	if !configured && f.hostname == "" && len(f.labels) == 0 && len(f.variables) == 0 {
		return options, nil
	}
	var config fleet.Config
	if configured {
		var err error
		if config, err = facts.ReadConfig(s.config, facts.Anyone); err != nil {
			return options, err
		}
	}
	options.RefuseUnsupported, options.ExtendedResources = config.RefuseUnsupported, config.ExtendedResources
	node, err := f.laidOver(fleet.Facts{}.Node().With(config.Labels, config.Variables))
	options.Node = &node
	return options, err
}

//go:build linux

package main

import (
	"fmt"
	"os/user"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent"
	"github.com/davit-project/davit/agent/facts"
	"github.com/davit-project/davit/agent/watch"
	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/fleet"
)

// ownerID looks --owner up; -1 when there is none.
func (s *settings) ownerID() (int, error) {
	if s.owner == "" {
		return -1, nil
	}
	if uid, err := strconv.Atoi(s.owner); err == nil {
		return uid, nil
	}
	found, err := user.Lookup(s.owner)
	if err != nil {
		return -1, fmt.Errorf("--owner: %w", err)
	}
	return strconv.Atoi(found.Uid)
}

// source is the manifest directory as it was read once.
type source struct {
	set *manifests.Set
	// guard bounds the removals of a plan.
	guard agent.Guard
	// config is the node's.
	config fleet.Config
	// revision is its commit; empty where nothing tells.
	revision string
}

// load reads the manifest directory as the agent does.
func (s *settings) load() (source, error) {
	owner, err := s.ownerID()
	if err != nil {
		return source{}, err
	}
	tree, err := watch.NewReader(watch.RootsOf(s.manifests), owner).Read()
	if err != nil {
		return source{}, err
	}
	options, config, err := s.thisNode()
	if err != nil {
		return source{}, err
	}
	if options.Policy, err = facts.NodePolicy(s.policy, tree.Writable); err != nil {
		return source{}, err
	}
	set := manifests.Load(tree.Files, options)
	guard := agent.GuardFor(tree, set)
	guard.Limit, guard.ReportDrift = config.PruneLimit, config.ReportDrift
	set.Diagnostics = append(tree.Problems, set.Diagnostics...)
	return source{set, guard, config, tree.Revision}, nil
}

// withNode has a command look at the node and its manifests, and change nothing.
func (s *settings) withNode(cmd *cobra.Command, look func(*agent.Node, source) error) error {
	from, err := s.load()
	if err != nil {
		return err
	}
	node, err := agent.Open(cmd.Context(), agent.ForLook)
	if err != nil {
		return err
	}
	defer node.Close()
	node.Configure(from.config)
	return look(node, from)
}

// loadFiles reads and loads files and directories that a person names.
func loadFiles(paths []string, options manifests.Options) (*manifests.Set, error) {
	files, err := readFiles(paths)
	if err != nil {
		return nil, err
	}
	return manifests.Load(files, options), nil
}

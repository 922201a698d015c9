package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/davit-project/davit/agent"
	"github.com/davit-project/davit/agent/facts"
	"github.com/davit-project/davit/agent/watch"
	"github.com/davit-project/davit/manifests"
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
	// guard is what it lets a plan remove.
	guard agent.Guard
	// config is the node's.
	config manifests.Config
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

// readFiles reads files and directories that a person names, whoever they belong to. Each
// directory is a manifest directory; a file stands for itself.
func readFiles(paths []string) ([]manifests.File, error) {
	var files []manifests.File
	for _, path := range paths {
		r := reader{root: path, kustomized: map[string]bool{}}
		if err := filepath.WalkDir(path, r.visit); err != nil {
			return nil, fmt.Errorf("read manifests: %w", err)
		}
		files = append(files, r.files...)
	}
	if len(files) == 0 {
		return nil, errors.New("no manifests there: davit reads *.yaml and *.yml")
	}
	return files, nil
}

// reader reads what one argument names.
type reader struct {
	root       string
	files      []manifests.File
	kustomized map[string]bool // directories that belong to a kustomization
}

func (r *reader) visit(file string, entry fs.DirEntry, err error) error {
	switch {
	case err != nil:
		return err
	case file != r.root && strings.HasPrefix(entry.Name(), "."):
		if entry.IsDir() {
			return fs.SkipDir
		}
		return nil
	case entry.IsDir():
		r.kustomized[file] = r.kustomized[filepath.Dir(file)] || hasKustomization(file)
		return nil
	}
	if file != r.root {
		info, err := os.Stat(file)
		if err == nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("%s: not a regular file or a directory; a link to a directory is not followed", file)
		}
		if err != nil || filepath.Ext(file) != ".yaml" && filepath.Ext(file) != ".yml" && !r.kustomized[filepath.Dir(file)] {
			return err
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	name := ""
	if file != r.root {
		if name, err = filepath.Rel(r.root, file); err != nil {
			return err
		}
	}
	r.files = append(r.files, manifests.File{Path: file, Name: filepath.ToSlash(name), Text: text})
	return nil
}

func hasKustomization(dir string) bool {
	return slices.ContainsFunc(manifests.KustomizationNames(), func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return err == nil
	})
}

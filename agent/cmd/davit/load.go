package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/davit-project/davit/agent"
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

// load reads the manifest directory as the agent does, and says what it lets a plan
// remove.
func (s *settings) load() (*manifests.Set, agent.Guard, error) {
	owner, err := s.ownerID()
	if err != nil {
		return nil, agent.Guard{}, err
	}
	tree, err := watch.Scan(s.manifests, owner)
	if err != nil {
		return nil, agent.Guard{}, err
	}
	set := manifests.Load(tree.Files, manifests.Options{})
	guard := agent.GuardFor(tree, set)
	set.Diagnostics = append(tree.Problems, set.Diagnostics...)
	return set, guard, nil
}

// loadFiles reads and loads files and directories that a person names.
func loadFiles(paths []string) (*manifests.Set, error) {
	files, err := readFiles(paths)
	if err != nil {
		return nil, err
	}
	return manifests.Load(files, manifests.Options{}), nil
}

// readFiles reads files and directories that a person names, whoever they belong to.
func readFiles(paths []string) ([]manifests.File, error) {
	var files []manifests.File
	for _, path := range paths {
		err := filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case file != path && strings.HasPrefix(entry.Name(), "."):
				if entry.IsDir() {
					return fs.SkipDir
				}
				return nil
			case entry.IsDir():
				return nil
			case file != path && filepath.Ext(file) != ".yaml" && filepath.Ext(file) != ".yml":
				return nil
			}
			text, err := os.ReadFile(file)
			files = append(files, manifests.File{Path: file, Text: text})
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read manifests: %w", err)
		}
	}
	if len(files) == 0 {
		return nil, errors.New("no manifests there: davit reads *.yaml and *.yml")
	}
	return files, nil
}

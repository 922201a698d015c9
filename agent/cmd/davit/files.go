package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/manifests/fleet"
)

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

// reader reads the files of one argument.
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
	return slices.ContainsFunc(fleet.KustomizationNames(), func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return err == nil
	})
}

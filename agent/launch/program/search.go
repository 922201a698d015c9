// Package program looks at the program that a container starts, as the kernel does: where it is, which architecture it is
// for, and why the kernel does not execute it.
//
// It reads files of images, which may be hostile, through agent/untrusted. It knows nothing of bundles and records.
package program

import (
	"io"
	"path/filepath"
	"strings"

	"github.com/davit-project/davit/agent/untrusted"
)

// searched are the paths where a program may be, as the runtime looks for it.
func searched(program, cwd string, env []string) []string {
	if strings.Contains(program, "/") {
		return []string{inDir(cwd, program)}
	}
	var paths []string
	for _, entry := range env {
		if list, ok := strings.CutPrefix(entry, "PATH="); ok {
			paths = nil // the last one counts
			for _, dir := range filepath.SplitList(list) {
				paths = append(paths, filepath.Join(inDir(cwd, dir), program))
			}
		}
	}
	return paths
}

func inDir(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// headBelow reads as much of a program as the kernel reads to recognise its format (BINPRM_BUF_SIZE).
func headBelow(rootfs, path string) ([]byte, error) {
	file, err := untrusted.OpenBelow(rootfs, path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(file, 256))
}

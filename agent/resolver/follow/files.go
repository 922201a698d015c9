package follow

import (
	"os"
	"path/filepath"
)

// maxLinks is how many links the kernel follows (path_resolution(7)).
const maxLinks = 40

// filesOf are the names that decide the target of a path: its own, and those that links lead to one after the
// other. A change of the file, or of where the path leads, changes one of them.
func filesOf(path string) []string {
	var files []string
	for range maxLinks {
		files = append(files, path)
		target, err := os.Readlink(path)
		if err != nil {
			break // the file, or nothing yet
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(realDir(path), target)
		}
		path = filepath.Clean(target)
	}
	return files
}

// realDir is the directory of a path, where ".." leads to its own parent.
func realDir(path string) string {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return filepath.Dir(path)
	}
	return dir
}

// toWatch are the paths to watch for changes of a file, and the name whose change counts: of a file in a
// directory that is missing, the first directory that is. A file that is mounted over another one has no other
// name here: it is watched itself. The kernel has one watch for a directory, so paths are without links.
func toWatch(file string) (paths []string, name string) {
	dir := filepath.Dir(file)
	for !isDir(dir) {
		file, dir = dir, filepath.Dir(dir)
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	paths, name = []string{dir}, filepath.Join(dir, filepath.Base(file))
	if info, err := os.Lstat(name); err == nil && info.Mode().IsRegular() {
		paths = append(paths, name)
	}
	return paths, name
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir() || path == filepath.Dir(path)
}

package agent

import (
	"os"
	"path/filepath"
)

// runtimeDirs are where programs lie that the node's owner or a package has installed.
var runtimeDirs = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// runtimes finds the programs of OCI runtimes, by name or path, and leaves out those that do not exist.
func runtimes(names []string) map[string]string {
	found := map[string]string{}
	for _, name := range names {
		candidates := []string{name}
		if !filepath.IsAbs(name) {
			candidates = nil
			for _, dir := range runtimeDirs {
				candidates = append(candidates, filepath.Join(dir, name))
			}
		}
		for _, path := range candidates {
			if isProgram(path) {
				found[name] = path
				break
			}
		}
	}
	return found
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

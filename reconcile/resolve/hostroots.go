package resolve

import (
	"cmp"
	"slices"

	"github.com/davit-project/davit/manifests/policy"
)

// hostRoot returns the allowed directory from which a path of the node is looked up; empty if all paths are allowed. A container
// that can write to an allowed directory can replace its entries by links, also a directory that is allowed itself. The lookup
// starts at the outermost one, above which no container can change anything. The lookup of a path that is written starts no
// further out than containers can write: links from there on could lead to paths that they may only read. guarded are the
// directories below the root that may only be read.
func (r *resolver) hostRoot(path string, writes bool) (root string, guarded []string) {
	var around []policy.HostPath
	for _, allowed := range r.in.HostPaths {
		if allowed.Contains(path) {
			around = append(around, allowed)
		}
	}
	slices.SortFunc(around, func(a, b policy.HostPath) int { return cmp.Compare(len(b.Path), len(a.Path)) })
	for _, allowed := range around { // the innermost first
		if writes && allowed.ReadOnly {
			break
		}
		root = allowed.Path
	}
	if root == "" || !writes {
		return root, nil
	}
	for _, allowed := range r.in.HostPaths {
		if allowed.ReadOnly && allowed.Path != root && (policy.HostPath{Path: root}).Contains(allowed.Path) {
			guarded = append(guarded, allowed.Path)
		}
	}
	return root, guarded
}

// hostRoots identifies the roots that [resolver.hostRoot] depends on. If no allowed directory is in another one, the identity is
// their paths, as in older versions of davit.
func (r *resolver) hostRoots() any {
	var paths []string
	for _, allowed := range r.in.HostPaths {
		paths = append(paths, allowed.Path)
		if slices.ContainsFunc(r.in.HostPaths, func(other policy.HostPath) bool { return other != allowed && other.Contains(allowed.Path) }) {
			return r.in.HostPaths
		}
	}
	return paths
}

package resolve

import (
	"cmp"
	"slices"

	"github.com/davit-project/davit/manifests/policy"
)

// hostRoot is the allowed directory from which a path of the node is looked up; empty where all paths are allowed. A
// container that can write to an allowed directory can replace what is in it by a link, also a directory that is allowed
// itself. The lookup starts at the outermost one, above which no container can change anything. Of a path that is
// written it starts no further out than containers can write: links from there on could lead to what they may only read.
// guarded are the directories below the root that may only be read.
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

// hostRoots identifies what [resolver.hostRoot] depends on. Where no allowed directory is in another one, that is their
// paths, as an older davit has it.
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

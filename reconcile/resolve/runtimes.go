package resolve

import (
	"fmt"
	"maps"
	"slices"

	"github.com/davit-project/davit/manifests/object"
)

// Runtimes returns the OCI runtimes that the objects name, each once. Finding their programs is
// the edge's work.
func Runtimes(objects []object.Object) []string {
	named := map[string]bool{}
	for _, object := range objects {
		// Resolve reports objects that cannot run as problems.
		l, _ := lower(object.Object)
		for _, run := range l.containers {
			if run.Runtime != "" {
				named[run.Runtime] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(named))
}

// runtime is the program of a runtime; none is davit's own.
func (r *resolver) runtime(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	program, ok := r.in.Node.Runtimes[name]
	if !ok {
		return "", fmt.Errorf("runtime %s: the node has no such program: install it, or leave spec.runtime out", name)
	}
	return program, nil
}

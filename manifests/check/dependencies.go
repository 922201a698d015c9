package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/davit-project/davit/manifests/suggest"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// checkOrder checks what objects wait for: that it is there, that it ends where its end is
// waited for, and that nothing waits for itself. systemd would break a cycle by leaving one of
// its members out.
func checkOrder(subjects []*Subject, broken map[v1.Ref]bool) {
	objects := map[v1.Ref]*Subject{}
	for _, s := range subjects {
		if len(containersOf(s)) > 0 {
			objects[s.Object.Ref()] = s
		}
	}
	names := map[string][]string{}
	for ref := range objects {
		names[ref.Kind] = append(names[ref.Kind], ref.Name)
	}
	w := walker{objects: objects, done: map[v1.Ref]bool{}}
	for _, s := range subjects {
		at, dependencies := dependenciesOf(s)
		for i, dependency := range dependencies {
			if ref := refOf(dependency); broken[ref] && objects[ref] == nil {
				s.Needs = ref
				continue
			}
			checkDependency(s, fmt.Sprintf("%s.dependsOn[%d]", at, i), dependency, objects, names)
		}
		w.visit(s.Object.Ref())
	}
}

// dependenciesOf are what a document waits for, and the path of the field around them.
func dependenciesOf(s *Subject) (at string, dependencies []v1.Dependency) {
	containers := containersOf(s)
	if len(containers) == 0 {
		return "", nil
	}
	return containers[0].SandboxAt, containers[0].DependsOn
}

func refOf(dependency v1.Dependency) v1.Ref {
	return v1.Ref{Kind: cmp.Or(dependency.Kind, v1.KindContainer), Name: dependency.Name}
}

func checkDependency(s *Subject, field string, dependency v1.Dependency, objects map[v1.Ref]*Subject, names map[string][]string) {
	ref := refOf(dependency)
	other, ok := objects[ref]
	if !ok {
		s.errorHint(field+".name", suggest.DidYouMean(ref.Name, names[ref.Kind]), "there is no %s", ref)
		return
	}
	if container, ok := other.Object.(*v1.Container); ok && dependency.Condition == v1.DependencyCompleted && !container.Spec.Oneshot {
		s.errorHint(field+".condition", "set oneshot on it", "%s never completes", ref)
	}
}

// walker looks for cycles, depth first.
type walker struct {
	objects map[v1.Ref]*Subject
	done    map[v1.Ref]bool
	path    []v1.Ref
}

func (w *walker) visit(ref v1.Ref) {
	s, ok := w.objects[ref]
	if !ok || w.done[ref] {
		return
	}
	w.path = append(w.path, ref)
	at, dependencies := dependenciesOf(s)
	for i, dependency := range dependencies {
		next := refOf(dependency)
		if start := slices.Index(w.path, next); start >= 0 {
			w.report(s, fmt.Sprintf("%s.dependsOn[%d]", at, i), append(slices.Clone(w.path[start:]), next))
			continue
		}
		w.visit(next)
	}
	w.path = w.path[:len(w.path)-1]
	w.done[ref] = true
}

// report reports a cycle at each of its members: none of them can start.
func (w *walker) report(last *Subject, field string, cycle []v1.Ref) {
	names := make([]string, 0, len(cycle))
	for _, ref := range cycle {
		names = append(names, ref.String())
	}
	text := strings.Join(names, " → ")
	last.errorf(field, "waits for itself: %s", text)
	for _, ref := range cycle[:len(cycle)-1] {
		if s := w.objects[ref]; s != last {
			at, _ := dependenciesOf(s)
			s.errorf(at+".dependsOn", "waits for itself: %s", text)
		}
	}
}

func checkDependencies(s *Subject, at string, dependencies []v1.Dependency) {
	for i, dependency := range dependencies {
		field := fmt.Sprintf("%s.dependsOn[%d]", at, i)
		checkName(s, field+".name", dependency.Name)
		if slices.ContainsFunc(dependencies[:i], func(earlier v1.Dependency) bool {
			return earlier.Name == dependency.Name && earlier.Kind == dependency.Kind
		}) {
			s.errorf(field, "%s appears twice", dependency.Name)
		}
	}
}

package reconcile

import (
	"slices"
	"strings"
	"testing"

	"github.com/davit-project/davit/units/bundle"
)

// TestAPortInUseIsNotPublished holds back what wants a port that a program of the node listens on, and nothing else.
func TestAPortInUseIsNotPublished(t *testing.T) {
	t.Parallel()
	n := newNode()
	desired := resolve(t, container("web", "ports: [{containerPort: 80, hostPort: 8080}]")+container("other", "ports: [{containerPort: 80, hostPort: 8081}]"), command)
	n.actual.Listeners = map[bundle.Port]string{{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}: "nginx listens on port 8080/tcp of the node: stop it"}
	plan := Diff(desired, n.actual, Options{})
	for _, action := range plan.Actions {
		if action.Object == "Container/web" {
			t.Errorf("planned %+v", action)
		}
	}
	if got := verbs(plan); !slices.Contains(got, "start Container/other") {
		t.Errorf("planned %v", got)
	}
	if len(plan.Held) != 1 || plan.Held[0].By != ByListener || !strings.Contains(plan.Held[0].Reason, "waits: nginx listens on port 8080/tcp of the node: stop it") {
		t.Errorf("held %v", plan.Held)
	}
	n.actual.Listeners = nil
	if got := verbs(Diff(desired, n.actual, Options{})); !slices.Contains(got, "start Container/web") {
		t.Errorf("without it, it plans %v", got)
	}
}

package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/units/bundle"
)

// TestAPortInUseIsNotPublished holds back objects that publish a port on which a program of the node listens, and no others.
func TestAPortInUseIsNotPublished(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	desired := reconciletest.Resolve(t, reconciletest.Container("web", "ports: [{containerPort: 80, hostPort: 8080}]")+reconciletest.Container("other", "ports: [{containerPort: 80, hostPort: 8081}]"), reconciletest.Command)
	n.Actual.Listeners = map[bundle.Port]string{{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}: "nginx listens on port 8080/tcp of the node: stop it"}
	plan := diff.Diff(desired, n.Actual, diff.Options{})
	for _, action := range plan.Actions {
		if action.Object == "Container/web" {
			t.Errorf("planned %+v", action)
		}
	}
	if got := reconciletest.Verbs(plan); !slices.Contains(got, "start Container/other") {
		t.Errorf("planned %v", got)
	}
	if len(plan.Held) != 1 || plan.Held[0].By != reconcile.ByListener || !strings.Contains(plan.Held[0].Reason, "waits: nginx listens on port 8080/tcp of the node: stop it") {
		t.Errorf("held %v", plan.Held)
	}
	n.Actual.Listeners = nil
	if got := reconciletest.Verbs(diff.Diff(desired, n.Actual, diff.Options{})); !slices.Contains(got, "start Container/web") {
		t.Errorf("without it, it plans %v", got)
	}
}

// TestARangeWaitsForAPortOfIt holds back a range while another object keeps a port of it.
func TestARangeWaitsForAPortOfIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ before, after, reason string }{
		"a port of a range": {
			publishingRange("a", 9000, 9999), publishing("b", 9500) + publishingUDP("c", 9500),
			"Container/c: waits: Container/a publishes port 9500/udp of the node, and does not release it",
		},
		"a range around a port": {
			publishingUDP("a", 9500), publishingRange("c", 1, 65535),
			"Container/c: waits: Container/a publishes port 9500/udp of the node, and does not release it",
		},
		"a range that overlaps another": {
			publishingRange("a", 9000, 9099), publishingRange("c", 8000, 9000),
			"Container/c: waits: Container/a publishes port 9000/udp of the node, and does not release it",
		},
		"a range beside another": {publishingRange("a", 9000, 9099), publishingRange("c", 9100, 9199), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := reconciletest.NewNode()
			n.MustApply(t, reconciletest.Resolve(t, test.before, reconciletest.Command))
			desired := reconciletest.Resolve(t, test.after, reconciletest.Command)
			plan := diff.Diff(desired, n.Actual, diff.Options{HoldPrune: "removals wait"})
			var held []string
			for _, one := range plan.Held {
				if one.By == reconcile.ByTaken {
					held = append(held, one.Object+": "+one.Reason)
				}
			}
			if got := strings.Join(held, "; "); got != test.reason {
				t.Errorf("held %q, want %q", got, test.reason)
			}
		})
	}
}

// publishingUDP is a container that has a UDP port of the node.
func publishingUDP(name string, port int) string {
	return reconciletest.Container(name, fmt.Sprintf("ports: [{containerPort: 80, hostPort: %d, protocol: UDP}]", port))
}

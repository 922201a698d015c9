package reconcile

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func lab(subnet string) string {
	return header + "Network\nmetadata: {name: lab}\nspec: {subnets: [{subnet: " + subnet + "}]}\n---\n"
}

// TestAChangedNetworkIsMadeAnew has what is attached to a network stop before it changes and start
// after it, dependents in order, and nothing else.
func TestAChangedNetworkIsMadeAnew(t *testing.T) {
	t.Parallel()
	n := newNode()
	app := container("db", "networks: [{name: lab}]") +
		container("web", "networks: [{name: lab}]", "dependsOn: [{name: db, condition: Ready}]") +
		container("other")
	n.mustApply(t, resolve(t, lab("10.77.0.0/24")+app, command))
	desired := resolve(t, lab("10.78.0.0/24")+app, command)
	n.mustApply(t, desired)
	switching := slices.DeleteFunc(n.calls, func(call string) bool {
		return !slices.Contains([]string{"stop db.service", "stop web.service", "network lab", "start db.service", "start web.service", "restart other.service"}, call)
	})
	if len(switching) != 4 && len(switching) != 5 {
		t.Fatalf("got %v", switching)
	}
	if diff := cmp.Diff([]string{"network lab", "start db.service", "start web.service"}, switching[len(switching)-3:]); diff != "" {
		t.Error(diff)
	}
	if n.actual.Networks["lab"].Conflist == nil || !Diff(desired, n.actual, Options{}).Empty() {
		t.Error("the network is not as it is to be")
	}
}

// TestANetworkThatCannotChangeStopsNothing for good: what was stopped for it starts, and what its
// plugins refuse stops nothing at all.
func TestANetworkThatCannotChangeStopsNothing(t *testing.T) {
	t.Parallel()
	for call, stops := range map[string]bool{"check-network lab": false, "network lab": true} {
		n := newNode()
		app := container("db", "networks: [{name: lab}]")
		n.mustApply(t, resolve(t, lab("10.77.0.0/24")+app, command))
		n.fail = map[string]error{call: errors.New("refused")}
		if _, calls, err := n.apply(t, resolve(t, lab("10.78.0.0/24")+app, command), Options{}); err == nil || slices.Contains(calls, "stop db.service") != stops {
			t.Errorf("%s: %v, %v", call, err, calls)
		}
		if db := n.actual.Workloads["db.service"]; db.Active != "active" {
			t.Errorf("%s: db is %s", call, db.Active)
		}
	}
}

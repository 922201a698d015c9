package reconcile_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
)

func lab(subnet string) string {
	return reconciletest.Header + "Network\nmetadata: {name: lab}\nspec: {subnets: [{subnet: " + subnet + "}]}\n---\n"
}

// TestAChangedNetworkIsMadeAnew has the containers on a network stop before it changes and start after it, dependents in order,
// and no others.
func TestAChangedNetworkIsMadeAnew(t *testing.T) {
	t.Parallel()
	n := reconciletest.NewNode()
	app := reconciletest.Container("db", "networks: [{name: lab}]") +
		reconciletest.Container("web", "networks: [{name: lab}]", "dependsOn: [{name: db, condition: Ready}]") +
		reconciletest.Container("other")
	n.MustApply(t, reconciletest.Resolve(t, lab("10.77.0.0/24")+app, reconciletest.Command))
	desired := reconciletest.Resolve(t, lab("10.78.0.0/24")+app, reconciletest.Command)
	n.MustApply(t, desired)
	switching := slices.DeleteFunc(n.Calls, func(call string) bool {
		return !slices.Contains([]string{"stop db.service", "stop web.service", "network lab", "start db.service", "start web.service", "restart other.service"}, call)
	})
	if len(switching) != 4 && len(switching) != 5 {
		t.Fatalf("got %v", switching)
	}
	if diff := cmp.Diff([]string{"network lab", "start db.service", "start web.service"}, switching[len(switching)-3:]); diff != "" {
		t.Error(diff)
	}
	if n.Actual.Networks["lab"].Conflist == nil || !diff.Diff(desired, n.Actual, diff.Options{}).Empty() {
		t.Error("the network is not as it is to be")
	}
}

// TestANetworkThatCannotChangeStopsNothing for good: containers that were stopped for it start, and a change that its plugins
// refuse stops none.
func TestANetworkThatCannotChangeStopsNothing(t *testing.T) {
	t.Parallel()
	for call, stops := range map[string]bool{"check-network lab": false, "network lab": true} {
		n := reconciletest.NewNode()
		app := reconciletest.Container("db", "networks: [{name: lab}]")
		n.MustApply(t, reconciletest.Resolve(t, lab("10.77.0.0/24")+app, reconciletest.Command))
		n.Fail = map[string]error{call: errors.New("refused")}
		if _, calls, err := n.Apply(t, reconciletest.Resolve(t, lab("10.78.0.0/24")+app, reconciletest.Command), diff.Options{}); err == nil || slices.Contains(calls, "stop db.service") != stops {
			t.Errorf("%s: %v, %v", call, err, calls)
		}
		if db := n.Actual.Workloads["db.service"]; db.Active != "active" {
			t.Errorf("%s: db is %s", call, db.Active)
		}
	}
}

package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/davit-project/davit/manifests"
	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/apply"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
)

// wanted draws a set of manifests: some of four containers, each in one of a few versions.
func wanted(t *rapid.T) reconcile.Desired {
	text := ""
	for _, name := range []string{"a", "b", "c", "d"} {
		switch kind := rapid.IntRange(0, 6).Draw(t, name); kind {
		case 1:
			text += reconciletest.Container(name)
		case 2:
			text += reconciletest.Container(name, "args: [other]", "hostNetwork: true")
		case 3:
			text += reconciletest.Container(name, "oneshot: true", "volumeMounts: [{name: data, mountPath: /d}]")
		case 4:
			text += reconciletest.Container(name, "resources: {limits: {memory: 1Gi}}")
		case 5, 6:
			text += reconciletest.Container(name, surge, fmt.Sprintf("args: ['%d']", kind))
		}
	}
	text += reconciletest.Header + "Volume\nmetadata: {name: data}\n---\n"
	if subnet := rapid.IntRange(0, 2).Draw(t, "subnet"); subnet > 0 {
		text += reconciletest.Header + fmt.Sprintf("Network\nmetadata: {name: default}\nspec: {subnets: [{subnet: 10.%d.0.0/24}]}\n", subnet)
	}
	set := manifests.Load([]manifests.File{{Path: "/app.yaml", Text: []byte(text)}}, manifests.Options{})
	if err := set.Diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	return resolve.Resolve(resolve.Input{Objects: set.Objects, Images: reconciletest.Resolved(set.Objects, reconciletest.Command), Node: reconciletest.TestNode})
}

// TestConverges walks from one wish to another, with actions that fail and removals held
// back on the way, and checks after each step what must always hold; in the end, with
// nothing in the way, one apply brings what is wanted and a second has nothing to do.
//
// fault: random histories of manifests, some of which do not work
func TestConverges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := reconciletest.NewNode()
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			desired := wanted(t)
			plan := diff.Diff(desired, n.Actual, diff.Options{})
			n.Fail = failures(t, plan)
			options := diff.Options{HoldPrune: rapid.SampledFrom([]string{"", "held"}).Draw(t, "hold")}
			walk(n, desired, options)
			checkInvariants(t, n)
			if options.HoldPrune != "" && slices.ContainsFunc(n.Calls, removes) {
				t.Fatalf("something was removed though held: %v", n.Calls)
			}
		}
		n.Fail = map[string]error{}
		desired := wanted(t)
		if err := walk(n, desired, diff.Options{}); err != nil {
			t.Fatal(err)
		}
		checkInvariants(t, n)
		if rest := diff.Diff(desired, n.Actual, diff.Options{}); !rest.Empty() {
			t.Fatalf("a second apply would still do %v after %v; %+v", reconciletest.Verbs(rest), n.Calls, n.Actual.Workloads["b.service"].RunningDir)
		}
		if len(n.Actual.Workloads) != len(desired.Workloads) {
			t.Fatalf("%d workloads are there, %d wanted", len(n.Actual.Workloads), len(desired.Workloads))
		}
	})
}

// removes reports whether a call takes something away that is no spare.
func removes(call string) bool {
	verb, target, _ := strings.Cut(call, " ")
	return (strings.HasPrefix(verb, "remove") || verb == "release") && !strings.Contains(target, "@surge")
}

func walk(n *reconciletest.Node, desired reconcile.Desired, options diff.Options) error {
	n.Desired, n.Calls = desired, nil
	return apply.Apply(context.Background(), diff.Diff(desired, n.Actual, options), desired, n.Drivers(), func(reconcile.Event) {})
}

// failures draws driver calls that fail, by the names that node gives them.
func failures(t *rapid.T, plan reconcile.Plan) map[string]error {
	calls := map[reconcile.Verb]string{
		reconcile.PullImage: "pull", reconcile.MakeNetwork: "network", reconcile.MakeVolume: "volume", reconcile.WriteBundle: "bundle", reconcile.WriteUnit: "unit",
		reconcile.Stop: "stop", reconcile.RemoveUnit: "remove-unit", reconcile.Start: "start", reconcile.Restart: "restart", reconcile.Reload: "reload",
	}
	fail := map[string]error{}
	for i, action := range plan.Actions {
		target := action.Target
		if action.Verb == reconcile.PullImage {
			target = action.Object
		}
		if rapid.IntRange(0, 3).Draw(t, fmt.Sprint("fails ", i)) == 0 {
			fail[calls[action.Verb]+" "+target] = errors.New("drawn to fail")
		}
	}
	return fail
}

// checkInvariants checks the conditions that no failure may break: running units have all that their next start needs.
func checkInvariants(t *rapid.T, n *reconciletest.Node) {
	for name, workload := range n.Actual.Workloads {
		if !slices.Contains(n.Actual.Bundles, workload.BundleDir) {
			t.Fatalf("%s has no bundle after %v", name, n.Calls)
		}
		if n.Actual.Images[workload.Bundle.Image.ID] == nil {
			t.Fatalf("%s has no image after %v", name, n.Calls)
		}
		for _, attachment := range workload.Bundle.Network.Attachments {
			if _, ok := n.Actual.Networks[attachment.Network]; !ok {
				t.Fatalf("%s has no network %s after %v", name, attachment.Network, n.Calls)
			}
		}
	}
}

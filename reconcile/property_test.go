package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/davit-project/davit/manifests"
)

// wanted draws a set of manifests: some of four containers, each in one of a few versions.
func wanted(t *rapid.T) Desired {
	text := ""
	for _, name := range []string{"a", "b", "c", "d"} {
		switch kind := rapid.IntRange(0, 6).Draw(t, name); kind {
		case 1:
			text += container(name)
		case 2:
			text += container(name, "args: [other]", "hostNetwork: true")
		case 3:
			text += container(name, "oneshot: true", "volumeMounts: [{name: data, mountPath: /d}]")
		case 4:
			text += container(name, "resources: {limits: {memory: 1Gi}}")
		case 5, 6:
			text += container(name, surge, fmt.Sprintf("args: ['%d']", kind))
		}
	}
	text += header + "Volume\nmetadata: {name: data}\n---\n"
	if subnet := rapid.IntRange(0, 2).Draw(t, "subnet"); subnet > 0 {
		text += header + fmt.Sprintf("Network\nmetadata: {name: default}\nspec: {subnets: [{subnet: 10.%d.0.0/24}]}\n", subnet)
	}
	set := manifests.Load([]manifests.File{{Path: "/app.yaml", Text: []byte(text)}}, manifests.Options{})
	if err := set.Diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	return Resolve(Input{Objects: set.Objects, Images: resolved(set.Objects, command), Node: testNode})
}

// TestConverges walks from one wish to another, with actions that fail and removals held
// back on the way, and checks after each step what must always hold; in the end, with
// nothing in the way, one apply brings what is wanted and a second has nothing to do.
//
// fault: random histories of manifests, some of which do not work
func TestConverges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := newNode()
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			desired := wanted(t)
			plan := Diff(desired, n.actual, Options{})
			n.fail = failures(t, plan)
			options := Options{HoldPrune: rapid.SampledFrom([]string{"", "held"}).Draw(t, "hold")}
			walk(n, desired, options)
			checkInvariants(t, n)
			if options.HoldPrune != "" && slices.ContainsFunc(n.calls, removes) {
				t.Fatalf("something was removed though held: %v", n.calls)
			}
		}
		n.fail = map[string]error{}
		desired := wanted(t)
		if err := walk(n, desired, Options{}); err != nil {
			t.Fatal(err)
		}
		checkInvariants(t, n)
		if rest := Diff(desired, n.actual, Options{}); !rest.Empty() {
			t.Fatalf("a second apply would still do %v after %v; %+v", verbs(rest), n.calls, n.actual.Workloads["b.service"].RunningDir)
		}
		if len(n.actual.Workloads) != len(desired.Workloads) {
			t.Fatalf("%d workloads are there, %d wanted", len(n.actual.Workloads), len(desired.Workloads))
		}
	})
}

// removes reports whether a call takes something away that is no spare.
func removes(call string) bool {
	verb, target, _ := strings.Cut(call, " ")
	return (strings.HasPrefix(verb, "remove") || verb == "release") && !strings.Contains(target, "@surge")
}

func walk(n *node, desired Desired, options Options) error {
	n.desired, n.calls = desired, nil
	return Apply(context.Background(), Diff(desired, n.actual, options), desired, n.drivers(), func(Event) {})
}

// failures draws driver calls that fail, by the names that node gives them.
func failures(t *rapid.T, plan Plan) map[string]error {
	calls := map[Verb]string{
		PullImage: "pull", MakeNetwork: "network", MakeVolume: "volume", WriteBundle: "bundle", WriteUnit: "unit",
		Stop: "stop", RemoveUnit: "remove-unit", Start: "start", Restart: "restart", Reload: "reload",
	}
	fail := map[string]error{}
	for i, action := range plan.Actions {
		target := action.Target
		if action.Verb == PullImage {
			target = action.Object
		}
		if rapid.IntRange(0, 3).Draw(t, fmt.Sprint("fails ", i)) == 0 {
			fail[calls[action.Verb]+" "+target] = errors.New("drawn to fail")
		}
	}
	return fail
}

// checkInvariants are what no failure may break: what runs has all that its next start
// needs.
func checkInvariants(t *rapid.T, n *node) {
	for name, workload := range n.actual.Workloads {
		if !slices.Contains(n.actual.Bundles, workload.BundleDir) {
			t.Fatalf("%s has no bundle after %v", name, n.calls)
		}
		if n.actual.Images[workload.Bundle.Image.ID] == nil {
			t.Fatalf("%s has no image after %v", name, n.calls)
		}
		for _, attachment := range workload.Bundle.Network.Attachments {
			if _, ok := n.actual.Networks[attachment.Network]; !ok {
				t.Fatalf("%s has no network %s after %v", name, attachment.Network, n.calls)
			}
		}
	}
}

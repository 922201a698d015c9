package reconcile_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/reconcile"
	"github.com/davit-project/davit/reconcile/diff"
	"github.com/davit-project/davit/reconcile/history"
	"github.com/davit-project/davit/reconcile/reconciletest"
	"github.com/davit-project/davit/reconcile/resolve"
)

// withImage resolves text with its image in another version.
func withImage(t *testing.T, text, digit string) reconcile.Desired {
	t.Helper()
	objects := reconciletest.Load(t, text)
	images := reconciletest.Resolved(objects, reconciletest.Command)
	for request, result := range images {
		result.Image.Digest, result.Image.ID = "sha256:"+strings.Repeat(digit, 64), strings.Repeat(digit, 64)
		images[request] = result
	}
	return resolve.Resolve(resolve.Input{Objects: objects, Images: images, Node: reconciletest.TestNode})
}

// withNewImage applies a new image to two containers of one manifest and returns the calls of the drivers.
func withNewImage(t *testing.T, strategy string, kept []history.Generation, fail ...string) (*reconciletest.Node, []string, error) {
	t.Helper()
	policy := "updatePolicy: {strategy: " + strategy + "}"
	text := reconciletest.Container("web", policy) + reconciletest.Container("other", policy)
	n := reconciletest.NewNode()
	n.MustApply(t, withImage(t, text, "a"))
	for _, call := range fail {
		n.Fail[call] = errors.New("failed")
	}
	_, calls, err := n.Apply(t, withImage(t, text, "b"), diff.Options{Kept: kept})
	return n, slices.DeleteFunc(calls, func(call string) bool {
		verb, _, _ := strings.Cut(call, " ")
		return !slices.Contains([]string{"stop", "start", "restart", "pull", "delete-image", "release"}, verb)
	}), err
}

func TestImagesAreFetchedWhenTheStrategySaysSo(t *testing.T) {
	t.Parallel()
	old := strings.Repeat("a", 64)
	kept := []history.Generation{{Number: 1, Images: []string{old}}}
	for strategy, want := range map[string][]string{
		"RollingUpdate":  {"pull example.com/app:1", "restart other.service", "restart web.service"},
		"StopThenPull":   {"stop other.service", "stop web.service", "pull example.com/app:1", "start other.service", "start web.service"},
		"DeleteThenPull": {"stop other.service", "stop web.service", "delete-image " + old, "pull example.com/app:1", "start other.service", "start web.service"},
	} {
		_, calls, err := withNewImage(t, strategy, kept)
		if err != nil {
			t.Errorf("%s: %v", strategy, err)
		}
		for _, half := range []int{0, len(calls) - 2} { // independent calls have no order
			slices.Sort(calls[half : half+2])
		}
		if strategy == "RollingUpdate" {
			slices.Sort(calls[1:])
		}
		if diff := cmp.Diff(want, calls); diff != "" {
			t.Errorf("%s: %s", strategy, diff)
		}
	}
}

// TestAnImageThatRunsIsNotDeleted though its container was to stop.
func TestAnImageThatRunsIsNotDeleted(t *testing.T) {
	t.Parallel()
	n, calls, err := withNewImage(t, "DeleteThenPull", nil, "stop web.service")
	if err == nil || n.Actual.Images[strings.Repeat("a", 64)] == nil {
		t.Errorf("%v: %v", err, calls)
	}
}

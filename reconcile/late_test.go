package reconcile

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// withImage resolves text with its image in another version.
func withImage(t *testing.T, text, digit string) Desired {
	t.Helper()
	objects := load(t, text)
	images := resolved(objects, command)
	for request, result := range images {
		result.Image.Digest, result.Image.ID = "sha256:"+strings.Repeat(digit, 64), strings.Repeat(digit, 64)
		images[request] = result
	}
	return Resolve(Input{Objects: objects, Images: images, Node: testNode})
}

// withNewImage applies a new image to two containers of one manifest and returns what was called for.
func withNewImage(t *testing.T, strategy string, kept []Generation, fail ...string) (*node, []string, error) {
	t.Helper()
	policy := "updatePolicy: {strategy: " + strategy + "}"
	text := container("web", policy) + container("other", policy)
	n := newNode()
	n.mustApply(t, withImage(t, text, "a"))
	for _, call := range fail {
		n.fail[call] = errors.New("failed")
	}
	_, calls, err := n.apply(t, withImage(t, text, "b"), Options{Kept: kept})
	return n, slices.DeleteFunc(calls, func(call string) bool {
		verb, _, _ := strings.Cut(call, " ")
		return !slices.Contains([]string{"stop", "start", "restart", "pull", "delete-image", "release"}, verb)
	}), err
}

func TestImagesAreFetchedWhenTheStrategySaysSo(t *testing.T) {
	t.Parallel()
	old := strings.Repeat("a", 64)
	kept := []Generation{{Number: 1, Images: []string{old}}}
	for strategy, want := range map[string][]string{
		"RollingUpdate":  {"pull example.com/app:1", "restart other.service", "restart web.service"},
		"StopThenPull":   {"stop other.service", "stop web.service", "pull example.com/app:1", "start other.service", "start web.service"},
		"DeleteThenPull": {"stop other.service", "stop web.service", "delete-image " + old, "pull example.com/app:1", "start other.service", "start web.service"},
	} {
		_, calls, err := withNewImage(t, strategy, kept)
		if err != nil {
			t.Errorf("%s: %v", strategy, err)
		}
		for _, half := range []int{0, len(calls) - 2} { // what is independent has no order
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
	if err == nil || n.actual.Images[strings.Repeat("a", 64)] == nil {
		t.Errorf("%v: %v", err, calls)
	}
}

package manifests

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/manifests/fleet"
	"github.com/davit-project/davit/manifests/policy"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// TestExtendedResourcesAreDevices has a node whose owner says by which devices a container has a GPU: that is no question of
// the policy, and another node has none.
func TestExtendedResourcesAreDevices(t *testing.T) {
	t.Parallel()
	const resources = "resources: {limits: {nvidia.com/gpu: 1, memory: 1Gi}, requests: {nvidia.com/gpu: 1}}"
	config, err := fleet.ParseConfig(File{Path: "config.yaml", Text: []byte("extendedResources: {nvidia.com/gpu: [/dev/nvidia0, nvidia.com/gpu=0]}")})
	if len(err) > 0 {
		t.Fatal(err)
	}
	load := func(text string, options Options) *Set {
		return Load([]File{{Path: "app.yaml", Text: []byte(text)}}, options)
	}
	with := Options{Node: &fleet.Node{}, ExtendedResources: config.ExtendedResources, Policy: fleet.PresetPolicy(policy.Baseline, "test")}
	for name, text := range map[string]string{"Kubernetes'": kubeContainer(resources), "its own": pod("containers: [{name: c, image: x.y/z, " + resources + "}]")} {
		set := load(text, with)
		if err := set.Diagnostics.Err(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		container := set.Objects[0].Object.(*v1.Pod).Spec.Containers[0]
		want := []v1.Device{{Path: "/dev/nvidia0"}, {Path: "nvidia.com/gpu=0"}}
		if diff := cmp.Diff(want, container.Devices) + cmp.Diff(v1.ResourceList{"memory": "1Gi"}, container.Resources.Limits); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		set = load(text, Options{Node: &fleet.Node{}})
		if len(set.Diagnostics) == 0 || !strings.Contains(set.Diagnostics[0].Message, "the node has no resource nvidia.com/gpu") {
			t.Errorf("%s: on a node without it: %v", name, set.Diagnostics)
		}
		if set := load(text, Options{}); len(set.Diagnostics) > 0 {
			t.Errorf("%s: without a node: %v", name, set.Diagnostics)
		}
	}
}

package manifests

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/davit-project/davit/manifests/policy"
	v1 "github.com/davit-project/davit/manifests/v1"
)

// TestExtendedResourcesAreDevices has a node whose owner says by which devices a container has a GPU: that is no question of
// the policy, and another node has none.
func TestExtendedResourcesAreDevices(t *testing.T) {
	t.Parallel()
	const resources = "resources: {limits: {nvidia.com/gpu: 1, memory: 1Gi}, requests: {nvidia.com/gpu: 1}}"
	config, err := ParseConfig(File{Path: "config.yaml", Text: []byte("extendedResources: {nvidia.com/gpu: [/dev/nvidia0, nvidia.com/gpu=0]}")})
	if len(err) > 0 {
		t.Fatal(err)
	}
	load := func(text string, options Options) *Set {
		return Load([]File{{Path: "app.yaml", Text: []byte(text)}}, options)
	}
	with := Options{Node: &Node{}, ExtendedResources: config.ExtendedResources, Policy: PresetPolicy(policy.Baseline, "test")}
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
		set = load(text, Options{Node: &Node{}})
		if len(set.Diagnostics) == 0 || !strings.Contains(set.Diagnostics[0].Message, "the node has no resource nvidia.com/gpu") {
			t.Errorf("%s: on a node without it: %v", name, set.Diagnostics)
		}
		if set := load(text, Options{}); len(set.Diagnostics) > 0 {
			t.Errorf("%s: without a node: %v", name, set.Diagnostics)
		}
	}
}

// TestExtendedResourcesOfANode has what a configuration may not say.
func TestExtendedResourcesOfANode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"extendedResources: {gpu: [/dev/a]}":               `config.yaml:1:26: extendedResources.gpu: "gpu": want a name with a domain, such as nvidia.com/gpu`,
		"extendedResources: {a.b/c: [/etc/shadow]}":        `config.yaml:1:29: extendedResources.a.b/c[0]: "/etc/shadow": want a device below /dev, or the name of a CDI device such as nvidia.com/gpu=0`,
		"extendedResources: {a.b/c: [/dev/../etc/shadow]}": `config.yaml:1:29: extendedResources.a.b/c[0]: "/dev/../etc/shadow": want an absolute path without . and ..`,
		"extendedResources: {a.b/c: [a.b/c=]}":             `config.yaml:1:29: extendedResources.a.b/c[0]: "a.b/c=": want the name of a CDI device such as nvidia.com/gpu=0`,
		"proxy: {httpProxy: 'proxy.lan:3128'}":             `config.yaml:1:20: proxy.httpProxy: want a URL such as http://proxy.lan:3128, with one of http, https, socks5, socks5h`,
		"proxy: {httpsProxy: 'http:///x'}":                 `config.yaml:1:21: proxy.httpsProxy: want a URL such as http://proxy.lan:3128, with one of http, https, socks5, socks5h`,
		"proxy: {noProxy: [a]}":                            `config.yaml:1:18: proxy.noProxy: want a string, got a list`,
		"extendedResources: {a.b/c: /dev/a}":               `config.yaml:1:28: extendedResources.a.b/c: want a list, got "/dev/a"`,
	} {
		_, diagnostics := ParseConfig(File{Path: "config.yaml", Text: []byte(text)})
		if len(diagnostics) == 0 || diagnostics[0].String() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", text, diagnostics, want)
		}
	}
}

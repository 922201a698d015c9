package fleet

import (
	"testing"

	"github.com/davit-project/davit/manifests/yaml"
)

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
		_, diagnostics := ParseConfig(yaml.File{Path: "config.yaml", Text: []byte(text)})
		if len(diagnostics) == 0 || diagnostics[0].String() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", text, diagnostics, want)
		}
	}
}
